// unfold run: models and tensors in files, what is printed and written, and what is said about what does not
// fit.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <protozero/pbf_writer.hpp>

#include "tests/support/run.h"
#include "unfold/files.h"
#include "unfold/formats/npy.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;
using Json = nlohmann::json;

namespace {

template <class F>
std::string message(const F& fill) {
  std::string text;
  protozero::pbf_writer writer(text);
  fill(writer);
  return text;
}

std::string value_info(const std::string& name, int type, const std::vector<int64_t>& sizes) {
  const std::string shape = message([&](auto& w) {
    for (const int64_t size : sizes) {
      w.add_message(1, message([&](auto& d) {
                      if (size < 0) {
                        d.add_string(2, "n");
                      } else {
                        d.add_int64(1, size);
                      }
                    }));
    }
  });
  const std::string tensor = message([&](auto& w) {
    w.add_int32(1, type);
    w.add_message(2, shape);
  });
  return message([&](auto& w) {
    w.add_string(1, name);
    w.add_message(2, message([&](auto& t) { t.add_message(1, tensor); }));
  });
}

std::string node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output) {
  return message([&](auto& w) {
    for (const std::string& name : inputs) w.add_string(1, name);
    w.add_string(2, output);
    w.add_string(4, type);
  });
}

/// sum = a + b of (?, 3) and (3), negative = -sum.
std::string model(const std::string& last = "Neg") {
  const std::string graph = message([&](auto& w) {
    w.add_message(1, node("Add", {"a", "b"}, "sum"));
    w.add_message(1, node(last, {"sum"}, "out/negative"));
    w.add_message(11, value_info("a", 1, {-1, 3}));
    w.add_message(11, value_info("b", 1, {3}));
    w.add_message(12, value_info("sum", 1, {-1, 3}));
    w.add_message(12, value_info("out/negative", 1, {-1, 3}));
  });
  return message([&](auto& w) {
    w.add_int64(1, 8);
    w.add_message(7, graph);
    w.add_message(8, message([](auto& o) { o.add_int64(2, 17); }));
  });
}

struct Files {
  TemporaryFolder folder;
  std::string net = (folder / "net.onnx").string(), a = (folder / "a.npy").string(),
              b = (folder / "b.pb").string();

  Files() {
    write_file(net, model());
    write_npy(a, Tensor::from<float>({2, 3}, std::vector<float>{0, 1, 2, 3, 4, 5}));
    const std::vector<float> ten = {10, 20, 30};
    write_file(b, message([&](auto& w) {
                 w.add_int64(1, 3);
                 w.add_int32(2, 1);
                 w.add_packed_float(4, ten.begin(), ten.end());
               }));
  }
  std::string at(const std::string& name) const { return (folder / name).string(); }
};

std::vector<float> floats(const std::string& file) {
  const Tensor t = read_npy(file);
  return {t.span<float>().begin(), t.span<float>().end()};
}

const std::vector<float> kSum = {10, 21, 32, 13, 24, 35}, kNegative = {-10, -21, -32, -13, -24, -35};

}  // namespace

TEST_CASE(
    "run: files in, one after the other or by name; files out, one after the other, by name, in a folder") {
  const Files f;
  const ProcessResult result =
      unfold_program({"run", f.net, "--input", f.a, "--input", f.b, "--output", f.at("s.npy")});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  CHECK(floats(f.at("s.npy")) == kSum);
  CHECK(contains(result.out, "  a  float32 (2, 3)  min 0  mean 2.5  max 5\n"));
  CHECK(contains(result.out, "  sum  float32 (2, 3)  min 10  mean 22.5  max 35  -> " + f.at("s.npy") + "\n"));
  CHECK(contains(result.out, "  out/negative  float32 (2, 3)  min -35  mean -22.5  max -10\n"));
  CHECK(unfold_program({"run", f.net, "--input", "b=" + f.b, "--input", f.a, "--output",
                        "out/negative=" + f.at("n.npy")})
            .code == 0);
  CHECK(floats(f.at("n.npy")) == kNegative);
  CHECK(unfold_program({"run", f.net, "--input", f.a, "--input", f.b, "--output", f.at("all/")}).code == 0);
  CHECK(floats(f.at("all/sum.npy")) == kSum);
  CHECK(floats(f.at("all/out_negative.npy")) == kNegative);
}

TEST_CASE("run --json --repeat") {
  const Files f;
  const ProcessResult result = unfold_program(
      {"run", f.net, "--input", f.a, "--input", f.b, "--json", "--repeat", "3", "--threads", "2"});
  REQUIRE(result.code == 0);
  const Json json = Json::parse(result.out);
  CHECK(json.at("threads") == 2);
  CHECK(json.at("seconds").size() == 3);
  CHECK(json.at("inputs").size() == 2);
  const Json& sum = json.at("outputs").at(0);
  CHECK(sum.at("name") == "sum");
  CHECK(sum.at("dtype") == "float32");
  CHECK(sum.at("shape") == Json({2, 3}));
  CHECK(sum.at("mean") == 22.5);
  CHECK(sum.at("not_finite") == 0);
  const ProcessResult text = unfold_program({"run", f.net, "--input", f.a, "--input", f.b, "--repeat", "3"});
  CHECK(contains(text.out, "3 runs"));
  write_npy(f.a, Tensor::from<float>({1, 3}, std::vector<float>{0, NAN, INFINITY}));
  const ProcessResult nan = unfold_program({"run", f.net, "--input", f.a, "--input", f.b});
  CHECK(contains(nan.out, "  sum  float32 (1, 3)  min 10  mean 10  max 10  2 NaN or infinite\n"));
}

TEST_CASE("run: what does not fit is named, with what the model wants") {
  const Files f;
  const auto said = [&](const std::vector<std::string>& arguments, int code) {
    std::vector<std::string> all = {"run", f.net};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const ProcessResult result = unfold_program(all);
    CHECK(result.code == code);
    CHECK(result.out.empty());
    return result.err;
  };
  const std::string inputs = "hint: the inputs are 'a' float32 (?, 3), 'b' float32 (3)\n";
  CHECK(said({"--input", f.a}, 2) == "error: an input of the model is missing (wanted 'b')\n" + inputs);
  CHECK(said({"--input", f.b, "--input", f.a}, 3) ==
        "error: input 'a': another shape than the model declares (wanted (?, 3), got (3))\n" + inputs);
  CHECK(said({"--input", f.a, "--input", f.b, "--input", f.b}, 2) ==
        "error: --input: more files than the model has inputs (wanted 2, got 3)\n" + inputs);
  CHECK(contains(said({"--input", "aa=" + f.a}, 2), "error: unknown input 'aa'\nhint: there is a, b"));
  CHECK(contains(said({"--input", "a=" + f.a, "--input", "a=" + f.a}, 2), "two files for one input"));
  CHECK(contains(said({"--input", f.at("none.npy")}, 3), "none.npy"));
  CHECK(contains(said({"--input", f.net}, 2), "a kind of file that no tensor is read from"));
  const std::vector<std::string> both = {"--input", f.a, "--input", f.b};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), both.begin(), both.end());
    return more;
  };
  CHECK(contains(said(with({"--output", f.at("y.txt")}), 2), "outputs are written as .npy"));
  CHECK(contains(said(with({"--output", "summ=" + f.at("y.npy")}), 2), "did you mean 'sum'?"));
  const std::string y = f.at("y.npy");
  CHECK(contains(said(with({"--output", y, "--output", y}), 2), "two outputs go to one file"));
  CHECK(contains(said(with({"--output", y, "--output", f.at("z.npy"), "--output", f.at("w.npy")}), 2),
                 "more files than the model has outputs"));
  write_npy(f.a, Tensor::from<double>({1, 3}, std::vector<double>{1, 2, 3}));
  CHECK(contains(said(both, 3),
                 "wanted float32, got float64)\nhint: numpy.save('x.npy', x.astype('float32'))"));
  CHECK(!fs::exists(y));
}

TEST_CASE("run: a model that cannot run is refused as one (4), naming node and operator") {
  const Files f;
  write_file(f.net, model("Einsum"));
  const ProcessResult unknown = unfold_program({"run", f.net, "--input", f.a, "--input", f.b});
  CHECK(unknown.code == 4);
  CHECK(contains(unknown.err, "Einsum (node 1)"));
  write_file(f.net, model("Not"));
  const ProcessResult typed = unfold_program({"run", f.net, "--input", f.a, "--input", f.b});
  CHECK(typed.code == 4);
  CHECK(contains(typed.err, "node 1, Not: input 0 has another type (wanted bool, got float32)"));
  write_file(f.net, std::string("nothing"));
  CHECK(unfold_program({"run", f.net}).code == 4);
  CHECK(unfold_program({"run"}).code == 2);
}
