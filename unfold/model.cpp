#include "unfold/model.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "unfold/data/digit.h"
#include "unfold/error.h"
#include "unfold/models/zoo.h"
#include "unfold/text.h"

namespace unfold {
namespace {

std::string grouped(int64_t value) {  // 61706 -> "61,706"
  std::string digits = std::to_string(value);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

}  // namespace

void Model::check() const {
  const auto require = [&](bool good, const char* message, const std::string& wanted,
                           const std::string& got) {
    if (!good) throw Error(ErrorKind::model, message).where(name).wanted(wanted).got(got);
  };
  require(!graph.nodes().empty(), "the network has no layers", "at least one", "0");
  const Shape in = graph.shape(graph.input()), out = graph.shape(graph.output());
  preprocessing.check(name, in.rank() == 3 ? in[0] : 1);
  require(in.rank() == 3 && in == preprocessing.output(in[0]),
          "the preprocessing does not make the network's input", in.text(),
          preprocessing.output(in.rank() == 3 ? in[0] : 1).text());
  require(out.rank() == 1 && out[0] == static_cast<int64_t>(classes.size()),
          "outputs and class names differ in number", out.text(), std::to_string(classes.size()));
  require(std::ssize(classes) <= kMaxClasses, "too many classes", "at most " + std::to_string(kMaxClasses),
          std::to_string(classes.size()));
  const auto require_text = [&](const char* message, const std::string& text) {
    require(is_utf8(text), message, "UTF-8, which the model's file can hold", printable(text));
  };
  require_text("the model's name is no text", name);
  require_text("the name of the data is no text", trained_on);
  for (const std::string& one : classes) require_text("the name of a class is no text", one);
}

std::string Model::summary() const {
  int name_width = 12, type_width = 10;
  for (const Node& node : graph.nodes()) {
    name_width = std::max(name_width, static_cast<int>(node.name.size()));
    type_width = std::max(type_width, static_cast<int>(node.op->type().size()));
  }
  std::string text = name + "\n";
  char line[512];
  const auto add = [&](const std::string& layer, std::string_view type, const std::string& output,
                       const std::string& count, const std::string& macs) {
    std::snprintf(line, sizeof line, "%-*s %-*s %-18s %12s %14s\n", name_width, layer.c_str(), type_width,
                  std::string(type).c_str(), output.c_str(), count.c_str(), macs.c_str());
    text += line;
  };
  add("Layer", "Type", "Output", "Parameters", "MACs/image");
  add("input", "", graph.shape(graph.input()).text(), "0", "0");
  for (const Node& node : graph.nodes()) {
    int64_t count = 0;
    for (const ParameterSpec& spec : node.op->parameters(graph.input_shapes(node)))
      count += spec.kind == ParameterKind::weight ? spec.shape.elements() : 0;
    add(node.name, node.op->type(), graph.shape(node.output).text(), grouped(count),
        grouped(node.op->macs(graph.input_shapes(node))));
  }
  const int64_t count = parameters.table().count();
  std::snprintf(line, sizeof line, "Total: %s parameters (%.1f KiB in float32), %s multiply-adds an image\n",
                grouped(count).c_str(), static_cast<double>(count) * 4 / 1024, grouped(graph.macs()).c_str());
  return text + line;
}

std::span<const std::string_view> model_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const ZooEntry& entry : zoo()) all.push_back(entry.name);
    return all;
  }();
  return names;
}

Graph make_graph(std::string_view name, const ModelOptions& options) {
  const ZooEntry& entry = zoo_entry(name);
  return entry.make(options.image.value_or(entry.image), options.classes.value_or(entry.classes));
}

Network network_named(std::string_view name) {
  const ZooEntry& entry = zoo_entry(name);
  return {std::string(name), entry.make, entry.image, entry.classes, entry.init, name.starts_with("lenet5")};
}

Model make_model(std::string_view name, uint64_t seed, const ModelOptions& options) {
  return make_model(network_named(name), seed, options);
}

Model make_model(const Network& network, uint64_t seed, const ModelOptions& options) {
  Model model;
  model.name = network.name;
  model.graph =
      network.make(options.image.value_or(network.image), options.classes.value_or(network.classes));
  model.parameters = Parameters<float>(model.graph.parameter_table());
  initialise(model.parameters, network.init, seed);
  if (network.digits) {
    model.preprocessing.fit =
        network.name == "lenet5-article" ? Preprocessing::Fit::bilinear : Preprocessing::Fit::pad;
  } else {
    const Shape image = model.graph.shape(model.graph.input());
    model.preprocessing = {
        .image_h = image[1], .image_w = image[2], .out_h = image[1], .out_w = image[2], .digit = false};
  }
  const int64_t classes = model.graph.shape(model.graph.output()).elements();
  for (int64_t i = 0; i < classes; ++i) model.classes.push_back(std::to_string(i));
  return model;
}

Model make_model_for(const Dataset& data, std::string_view name, uint64_t seed, std::optional<Shape> image) {
  return make_model_for(data, network_named(name), seed, image);
}

Model make_model_for(const Dataset& data, const Network& network, uint64_t seed, std::optional<Shape> image) {
  const Shape usual = network.image;
  const Shape input = image.value_or(Shape{data.image[0], usual[1], usual[2]});
  Model model =
      make_model(network, seed, {.image = input, .classes = static_cast<int64_t>(data.classes.size())});
  Preprocessing& how = model.preprocessing;
  const bool same = data.image[1] == input[1] && data.image[2] == input[2];
  if (!network.digits) how.fit = same ? Preprocessing::Fit::pad : Preprocessing::Fit::bilinear;
  how.image_h = data.image[1];
  how.image_w = data.image[2];
  how.out_h = input[1];
  how.out_w = input[2];
  how.digit = input[0] == 1 && are_digits(data);
  model.classes = data.classes;
  model.trained_on = data.name;
  return model;
}

Predictor::Predictor(const Model& model, Engine engine, int64_t batch, ThreadPool& pool, Numerics numerics)
    : model_(model),
      pool_(pool),
      folded_(fold(model.graph, model.parameters)),
      graph_(folded_ ? folded_->graph : model.graph),
      parameters_(folded_ ? folded_->parameters : model.parameters),
      plan_(graph_, {.batch = batch, .training = false, .engine = engine, .numerics = numerics}),
      workspace_(plan_.memory(), pool.threads()),
      logits_(static_cast<size_t>(batch) * model.classes.size()) {
  plan_.pack(parameters_, workspace_, pool);
}

std::span<const float> Predictor::logits(std::span<const uint8_t> images, int64_t count) {
  const Shape in = model_.graph.shape(model_.graph.input());
  const int64_t channels = in[0],
                bytes = channels * model_.preprocessing.image_h * model_.preprocessing.image_w;
  if (count < 0 || count > plan_.batch() || static_cast<int64_t>(images.size()) < count * bytes) {
    throw Error(ErrorKind::usage, "wrong number of images")
        .wanted("at most " + std::to_string(plan_.batch()) + " of " + std::to_string(bytes) + " bytes")
        .got(std::to_string(images.size()) + " bytes for " + std::to_string(count));
  }
  const auto classes = static_cast<int64_t>(model_.classes.size());
  const auto fill = [&](int64_t first, int64_t n, float* x) {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at =
          std::min(first + i, std::max<int64_t>(count - 1, 0));  // a short batch repeats its last image
      preprocess(model_.preprocessing,
                 images.subspan(static_cast<size_t>(at * bytes), static_cast<size_t>(bytes)),
                 x + i * in.elements());
    }
  };
  const auto take = [&](int64_t first, int64_t n, const float* y) {
    std::copy(y, y + n * classes, logits_.data() + first * classes);
  };
  if (count > 0) plan_.forward(parameters_, fill, take, workspace_, pool_, true);
  return std::span(logits_).first(static_cast<size_t>(count * classes));
}

std::vector<double> probabilities(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p;
  double sum = 0;
  for (const float x : logits) sum += p.emplace_back(std::exp(static_cast<double>(x) - largest));
  for (double& x : p) x /= sum;
  return p;
}

Engine engine_named(std::string_view name) {
  if (name == "naive") return Engine::naive;
  if (name == "im2col") return Engine::im2col;
  if (name == "fast") return Engine::fast;
  throw Error(ErrorKind::usage, "unknown engine").wanted("naive, im2col or fast").got(name);
}

std::string_view engine_name(Engine engine) {
  return engine == Engine::naive ? "naive" : engine == Engine::im2col ? "im2col" : "fast";
}

Numerics numerics_named(std::string_view name) {
  if (name == "exact") return Numerics::exact;
  if (name == "fast") return Numerics::fast;
  throw Error(ErrorKind::usage, "unknown numerics").wanted("exact or fast").got(name);
}

std::string_view numerics_name(Numerics numerics) {
  return numerics == Numerics::exact ? "exact" : "fast";
}

}  // namespace unfold
