#include "unfold/formats/network_file.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "unfold/error.h"

using namespace unfold;

namespace {

/// A network's text around its layers.
std::string net(const std::string& layers, const std::string& input = "[3, 16, 16]") {
  return R"({"input": )" + input + R"(, "classes": 5, "layers": [)" + layers + "]}";
}

void check_refused(const std::string& json, const std::vector<std::string>& said) {
  CAPTURE(json.substr(0, 200));
  try {
    parse_network(json, "my.json");
    FAIL("not refused");
  } catch (const Error& e) {
    const std::string text = std::string(e.what()) + " | " + e.hint();
    CAPTURE(text);
    CHECK(e.kind() == ErrorKind::model);
    CHECK(text.starts_with("my.json"));
    for (const std::string& part : said) {
      CAPTURE(part);
      CHECK(text.find(part) != std::string::npos);
    }
  }
}

const std::string kEnd = R"({"type": "Flatten"}, {"type": "Linear", "out_features": "classes"})";

}  // namespace

TEST_CASE("LeNet-5 written by hand is the LeNet-5 of the zoo: layers, attributes, parameters, weights") {
  const Network mine = parse_network(R"({
    "input": [1, 32, 32],  // comments are allowed
    "layers": [
      {"type": "Conv2d", "name": "conv1", "out_channels": 6, "kernel_size": 5},
      {"type": "ReLU", "name": "relu1"},
      {"type": "MaxPool2d", "name": "pool1", "kernel_size": 2},
      {"type": "Conv2d", "name": "conv2", "out_channels": 16, "kernel_size": [5, 5]},
      {"type": "relu", "name": "relu2"},
      {"type": "MaxPool2d", "name": "pool2", "kernel_size": 2, "stride": 2},
      {"type": "Flatten", "name": "flatten"},
      {"type": "Linear", "name": "fc1", "out_features": 120},
      {"type": "ReLU", "name": "relu3"},
      {"type": "Linear", "name": "fc2", "out_features": 84},
      {"type": "ReLU", "name": "relu4"},
      {"type": "Linear", "name": "fc3", "out_features": "classes"}
    ]})",
                                     "dir/my_lenet.json");
  CHECK(mine.name == "my_lenet");
  CHECK(mine.classes == 10);
  const Model model = make_model(mine, 7), zoo = make_model("lenet5", 7);
  REQUIRE(model.graph.nodes().size() == zoo.graph.nodes().size());
  for (size_t i = 0; i < model.graph.nodes().size(); ++i) {
    const Node &a = model.graph.nodes()[i], &b = zoo.graph.nodes()[i];
    CAPTURE(b.name);
    CHECK(a.name == b.name);
    CHECK(a.op->type() == b.op->type());
    CHECK(a.op->attributes() == b.op->attributes());
    CHECK(a.inputs == b.inputs);
  }
  CHECK(std::equal(model.parameters.all().begin(), model.parameters.all().end(), zoo.parameters.all().begin(),
                   zoo.parameters.all().end()));
  // Made for more classes and another image.
  const Graph other = mine.make({3, 64, 64}, 300);
  CHECK(other.shape(other.output()) == Shape{300});
}

TEST_CASE("names that are left out, inputs by name, joins, padding in torch's order") {
  const Network network = parse_network(
      net(R"({"type": "Conv2d", "out_channels": 4, "kernel_size": 3, "padding": [2, 0, 1, 1], "stride": [1, 2]},
             {"type": "Conv2d", "out_channels": 8, "kernel_size": [3, 1], "padding": [1, 0], "groups": 2},
             {"type": "Conv2d", "inputs": "conv2d1", "out_channels": 8, "kernel_size": 1, "bias": false},
             {"type": "Add", "inputs": ["conv2d2", "conv2d3"]},
             {"type": "Concat", "name": "both", "dim": 1, "inputs": ["add1", "conv2d1"]},
             {"type": "ReLU6"}, {"type": "GlobalAvgPool2d"}, )" +
          kEnd),
      "my.json");
  const Graph g = network.make(network.image, 5);
  const std::vector<Node>& nodes = g.nodes();
  std::vector<std::string> names;
  for (const Node& node : nodes) names.push_back(node.name);
  CHECK(names == std::vector<std::string>{"conv2d1", "conv2d2", "conv2d3", "add1", "both", "relu61",
                                          "globalavgpool2d1", "flatten1", "linear1"});
  CHECK(nodes[0].op->attributes().at("pads") == std::vector<double>{1, 2, 1, 0});  // top, left, bottom, right
  CHECK(g.shape(nodes[0].output) == Shape{4, 16, 8});
  CHECK(nodes[1].op->attributes().at("pads") == std::vector<double>{1, 0, 1, 0});
  CHECK(nodes[2].inputs == std::vector<ValueId>{nodes[0].output});
  CHECK(nodes[2].op->parameters(g.input_shapes(nodes[2])).size() == 1);
  CHECK(g.shape(nodes[4].output) == Shape{12, 16, 8});
  CHECK(nodes[5].op->attributes().at("max") == std::vector<double>{6});
}

TEST_CASE("every type of layer that is known can be written") {
  for (const std::string& type : layer_types()) {
    CAPTURE(type);
    std::string layer = R"({"type": ")" + type + R"(")";
    if (type.starts_with("Conv")) layer += R"(, "out_channels": 3)";
    if (type.starts_with("Conv") || type.starts_with("MaxPool") || type.starts_with("AvgPool"))
      layer += R"(, "kernel_size": 2)";
    if (type == "AdaptiveAvgPool2d") layer += R"(, "output_size": 3)";
    if (type == "LocalResponseNorm") layer += R"(, "size": 3)";
    if (type.ends_with("Pad2d")) layer += R"(, "padding": 1)";
    if (type == "Permute") layer += R"(, "dims": [2, 0, 1])";
    if (type == "Reshape") layer += R"(, "shape": [-1, 4, 4])";
    const bool join = type == "Add" || type == "Mul" || type == "Concat";
    if (join) layer += R"(, "inputs": ["relu1", "input"])";
    if (type == "Linear" || type == "Softmax" || type == "LogSoftmax") {
      layer = R"({"type": "Flatten"}, )" + layer + (type == "Linear" ? R"(, "out_features": "classes")" : "");
    }
    const std::string end = type == "Flatten" ? R"({"type": "Linear", "out_features": 5})" : kEnd;
    CHECK_NOTHROW(parse_network(net(R"({"type": "ReLU"}, )" + layer + "}, " + end), "my.json"));
  }
}

TEST_CASE("what cannot be is refused by layer, with the nearest that can") {
  check_refused("{", {"no JSON"});
  check_refused("[]", {"no JSON object"});
  check_refused(R"({"layers": []})", {"input", "[channels, height, width]"});
  check_refused(net(""), {"layers"});
  check_refused(R"({"input": [1, 8, 8], "layer": []})", {"unknown member of a network 'layer'", "'layers'"});
  check_refused(R"({"input": [1, 8], "layers": [{}]})", {"got [1,8]"});
  check_refused(R"({"input": [1, 8, 1e9], "layers": [{}]})", {"input"});
  check_refused(R"({"name": "../x", "input": [1, 8, 8], "layers": [{}]})", {"../x"});
  check_refused(R"({"init": "kaming", "input": [1, 8, 8], "layers": [{}]})", {"did you mean 'kaiming'"});
  check_refused(R"({"classes": 0, "input": [1, 8, 8], "layers": [{}]})", {"classes"});
  check_refused(net("7"), {"layer 1", "got 7"});
  check_refused(net("{}"), {"layer 1", "type is missing"});
  check_refused(net(R"({"type": "Conv2"}, )" + kEnd), {"layer 1", "'Conv2'", "did you mean 'Conv2d'"});
  check_refused(net(R"({"type": "Conv2d", "out_channels": 4, "kernel": 3}, )" + kEnd),
                {"layer 1, conv2d1", "setting of Conv2d 'kernel'", "did you mean 'kernel_size'"});
  check_refused(net(R"({"type": "Conv2d", "out_channels": 4}, )" + kEnd),
                {"conv2d1", "missing", "kernel_size"});
  check_refused(net(R"({"type": "MaxPool2d"}, )" + kEnd), {"maxpool2d1", "missing", "kernel_size"});
  check_refused(net(R"({"type": "Conv2d", "out_channels": "4", "kernel_size": 3}, )" + kEnd),
                {"out_channels", "a whole number", "got \"4\""});
  check_refused(net(R"({"type": "Conv2d", "out_channels": 4, "kernel_size": 2.5}, )" + kEnd),
                {"kernel_size"});
  check_refused(net(R"({"type": "Conv2d", "out_channels": 4, "kernel_size": 3, "bias": 1}, )" + kEnd),
                {"bias", "true or false"});
  check_refused(net(R"({"type": "Conv2d", "out_channels": 4, "kernel_size": 3, "stride": 0}, )" + kEnd),
                {"conv2d1", "stride"});
  check_refused(net(R"({"type": "Conv2d", "out_channels": 4, "kernel_size": 17}, )" + kEnd),
                {"layer 1", "conv2d1", "larger than the padded input", "17x17", "16x16"});
  check_refused(net(R"({"type": "Dropout", "p": 1.5}, )" + kEnd), {"dropout1"});
  check_refused(net(R"({"type": "ReLU", "name": "a"}, {"type": "Add", "inputs": ["a", "b"]}, )" + kEnd),
                {"layer 2, add1", "unknown input 'b'"});
  check_refused(
      net(R"({"type": "ReLU", "name": "act"}, {"type": "Add", "inputs": ["atc", "input"]}, )" + kEnd),
      {"did you mean 'act'"});
  check_refused(net(R"({"type": "ReLU", "inputs": 3}, )" + kEnd), {"inputs"});
  check_refused(net(R"({"type": "Add"}, )" + kEnd), {"add1", "number of inputs", "wanted 2"});
  check_refused(net(R"({"type": "ReLU", "name": "input"}, )" + kEnd), {"input"});
  check_refused(net(R"({"type": "ReLU", "name": "a"}, {"type": "ReLU", "name": "a"}, )" + kEnd),
                {"layer 2", "a"});
  check_refused(net(R"({"type": "Flatten"}, {"type": "Linear", "out_features": 4})"),
                {"linear1", "wanted (5)", "got (4)", "classes"});
  check_refused(net(R"({"type": "ReLU"})"), {"relu1", "class scores"});
  check_refused(net(R"({"type": "Linear", "out_features": 4})"), {"linear1", "(3, 16, 16)"});
}

TEST_CASE("lists within lists are refused before they fill the stack") {
  const std::string deep = std::string(1000000, '[') + std::string(1000000, ']');
  check_refused(R"({"input": [1, 8, 8], "layers": )" + deep + "}", {"lists within lists"});
}

TEST_CASE("sizes beyond any machine are refused, not tried") {
  check_refused(R"({"input": [1048576, 1048576, 1048576], "layers": [{"type": "Flatten"}]})",
                {"the shape of the input is missing or cannot be"});
  check_refused(net(R"({"type": "AdaptiveAvgPool2d", "output_size": [1048576, 1048576]}, )" + kEnd),
                {"adaptiveavgpool2d1", "a value of one image is too large"});
  check_refused(net(R"({"type": "Conv2d", "out_channels": 1000000000000000000, "kernel_size": 3}, )" + kEnd),
                {"conv2d1"});
  check_refused(net(R"({"type": "Flatten"}, {"type": "Linear", "out_features": 9007199254740992},
             {"type": "Linear", "out_features": "classes"})"),
                {"linear1", "a value of one image is too large"});
}
