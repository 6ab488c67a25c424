// unfold export, and ONNX files where model files are taken.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/run.h"
#include "unfold/files.h"
#include "unfold/formats/model_file.h"
#include "unfold/formats/onnx/export.h"
#include "unfold/formats/onnx/reader.h"
#include "unfold/formats/onnx/writer.h"
#include "unfold/formats/transfer.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;
using Json = nlohmann::json;

namespace {

/// A LeNet-5 that has learned a few drawn digits.
struct Trained {
  TemporaryFolder folder;
  std::string data = small_data(folder.path(), 2000, 200), run = (folder / "run").string();
  Trained() {
    const ProcessResult r =
        unfold_program({"train", "--data", data, "--epochs", "3", "--out", run, "-q", "--seed", "4"});
    CAPTURE(r.err);
    REQUIRE(r.code == 0);
  }
  std::string operator/(const char* name) const { return (folder / name).string(); }
};

Json eval(const std::vector<std::string>& arguments, std::string* notes = nullptr) {
  std::vector<std::string> words = {"eval", "--json"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const ProcessResult r = unfold_program(words);
  CAPTURE(r.err);
  REQUIRE(r.code == 0);
  if (notes) *notes = r.err;
  return Json::parse(r.out);
}

/// The same network for numbers 0 to 255, as other programs may have trained it: nothing said about that.
void write_raw(const Model& model, const std::string& path) {
  Model raw = model;
  float* const w = raw.parameters.slice(raw.parameters.table().find("conv1.weight"));
  float* const b = raw.parameters.slice(raw.parameters.table().find("conv1.bias"));
  const double mean = raw.preprocessing.mean[0], std = raw.preprocessing.std[0];
  for (int64_t oc = 0; oc < 6; ++oc) {
    double sum = 0;
    for (int64_t i = 0; i < 25; ++i) {
      sum += static_cast<double>(w[oc * 25 + i]);
      w[oc * 25 + i] = static_cast<float>(static_cast<double>(w[oc * 25 + i]) / (255 * std));
    }
    b[oc] = static_cast<float>(static_cast<double>(b[oc]) - sum * mean / std);
  }
  onnx::Model exported = onnx::export_model(raw);
  exported.metadata.clear();
  onnx::write_model(path, exported);
}

}  // namespace

TEST_CASE(
    "a trained network as an ONNX file: evaluated, asked, timed, explained, looked at, trained further") {
  const Trained trained;
  const std::string file = trained / "digits.onnx";
  const ProcessResult out = unfold_program({"export", trained.run, "--onnx", file, "--json"});
  CAPTURE(out.err);
  REQUIRE(out.code == 0);
  const Json json = Json::parse(out.out);
  CHECK(json.at("model") == "lenet5");
  CHECK(json.at("files").at(0).at("file") == file);
  CHECK(json.at("files").at(0).at("bytes") == std::filesystem::file_size(file));
  CHECK(json.at("files").at(0).at("what") == "ONNX, opset 17, 12 nodes");

  const Json ours = eval({trained.run, "--data", trained.data});
  CHECK(ours.at("accuracy") > 0.8);
  std::string notes;
  const Json theirs = eval({file, "--data", trained.data, "-q"}, &notes);
  CHECK(notes.empty());  // it says how images become its input
  for (const char* key : {"accuracy", "loss", "confusion", "classes"}) CHECK(theirs.at(key) == ours.at(key));
  const std::string digit = UNFOLD_DIGITS "/7.png";
  CHECK(unfold_program({"predict", file, digit}).out == unfold_program({"predict", trained.run, digit}).out);
  CHECK(contains(unfold_program({"summary", file, "--plan"}).out, "fc3"));
  CHECK(unfold_program({"bench", file, "--inference", "--repeats", "1", "--seconds", "0", "--batch", "4"})
            .code == 0);
  CHECK(unfold_program({"explain", file, digit, "-o", trained / "page.html"}).code == 0);

  const ProcessResult weights = unfold_program(
      {"train", "--data", trained.data, "--init-from", file, "--epochs", "1", "--out", trained / "again"});
  CAPTURE(weights.err);
  REQUIRE(weights.code == 0);
  CHECK(contains(weights.out, "  10 taken over: conv1.weight"));
  // With all steps of --preprocess and --softmax it comes back as the same network.
  REQUIRE(
      unfold_program({"export", trained.run, "--onnx", trained / "whole.onnx", "--preprocess", "--softmax"})
          .code == 0);
  CHECK(eval({trained / "whole.onnx", "--data", trained.data, "-q"}).at("loss") == ours.at("loss"));
}

TEST_CASE("a network that does not say what it takes: the default is told, and a better one is found") {
  const Trained trained;
  const Model model = load_model(trained.run + "/best.safetensors").model;
  const std::string file = trained / "foreign.onnx";
  write_raw(model, file);
  std::string notes;
  const double right = eval({trained.run, "--data", trained.data}).at("accuracy");
  const double wrong = eval({file, "--data", trained.data, "-q"}, &notes).at("accuracy");
  CAPTURE(notes);
  CHECK(wrong < 0.2);
  CHECK(contains(notes,
                 "foreign.onnx: the file does not say how images become its input: bytes / 255 are assumed"));
  CHECK(contains(notes, "is near chance: did you mean --preprocess raw? With it "));
  CHECK(contains(notes, "of the first 200 images are right"));
  CHECK(std::abs(eval({file, "--data", trained.data, "--preprocess", "raw", "-q"}, &notes)
                     .at("accuracy")
                     .get<double>() -
                 right) < 0.011);
  CHECK(notes.empty());
  const std::string settings = trained / "how.json";
  write_file(settings, R"({"std": 0.00392156862745098})");
  CHECK(eval({file, "--data", trained.data, "--preprocess", settings}).at("accuracy") > 0.8);
  CHECK(contains(unfold_program({"predict", file, UNFOLD_DIGITS "/7.png", "--preprocess", "raw"}).out,
                 "7.png: "));

  const auto refused = [&](const std::string& how, int code, const std::string& part) {
    const ProcessResult r = unfold_program({"eval", file, "--data", trained.data, "--preprocess", how});
    CAPTURE(r.err);
    CHECK(r.code == code);
    CHECK(contains(r.err, part));
  };
  refused("rwa", 2, "did you mean 'raw'?");
  refused("imagenet", 2, "3 channels");
  write_file(settings, R"({"mena": 0})");
  refused(settings, 4,
          "how.json: unknown preprocessing (wanted image, fit, output, mean, std or picture, got 'mena')");
  write_file(settings, R"({"output": [9, 9]})");
  refused(settings, 4, "does not make the network's input");
  write_file(settings, "[1, 2");
  refused(settings, 4, "cannot be understood");

  // It goes on learning as it is, with what it is used to, and in a run of its own.
  const std::string run = trained / "tuned";
  const ProcessResult tuned =
      unfold_program({"train", "--model", file, "--preprocess", "raw", "--data", trained.data, "--epochs",
                      "1", "--lr", "1e-9", "--out", run, "--json"});
  CAPTURE(tuned.err);
  REQUIRE(tuned.code == 0);
  CHECK(std::abs(Json::parse(tuned.out).at("accuracy").get<double>() - right) < 0.011);
  const Model after = load_model(run + "/best.safetensors").model;
  CHECK((after.preprocessing.std == PerChannel(1.0 / 255)));
  CHECK(after.name == "foreign");
  CHECK(unfold_program({"train", "--model", "lenet5", "--preprocess", "raw", "--out", run + "2"}).code == 2);
  CHECK(unfold_program({"train", "--model", file, "--input", "1x28x28", "--out", run + "2"}).code == 2);
}

TEST_CASE("a network learns other classes from where another came from: a new head, the rest as it was") {
  const Trained trained;
  const Model before = load_model(trained.run + "/best.safetensors").model;
  Dataset two = unfold::testing::small_set(40, 28, 28, 3);
  two.classes = {"even", "odd"};
  for (int32_t& label : two.labels) label = label % 2;
  const Model fitted = fitted_to(before, two, 9);
  CHECK(fitted.classes == two.classes);
  CHECK(fitted.graph.shape(fitted.graph.output()) == Shape{2});
  for (const ParameterSlice& slice : fitted.parameters.table().slices()) {
    CAPTURE(slice.name);
    const float *a = fitted.parameters.slice(fitted.parameters.table().find(slice.name)),
                *b = before.parameters.slice(before.parameters.table().find(slice.name));
    const bool head = slice.name.starts_with("fc3.");
    CHECK(slice.shape[0] ==
          (head ? 2 : before.parameters.table()[before.parameters.table().find(slice.name)].shape[0]));
    CHECK((std::equal(a, a + slice.shape.elements(), b) != head));
  }
  // A convolution may be the head, as in SqueezeNet; what has no weights behind it follows.
  Dataset colour = unfold::testing::small_set(4, 64, 64, 3);
  colour.image = {3, 64, 64};
  colour.classes = {"a", "b", "c"};
  const Model squeeze =
      fitted_to(make_model("squeezenet1_1", 1, {.image = Shape{3, 64, 64}, .classes = {}}), colour, 1);
  CHECK(squeeze.graph.shape(squeeze.graph.output()) == Shape{3});
  CHECK_THROWS_WITH_AS(fitted_to(before, colour, 1), doctest::Contains("channels"), Error);
}

TEST_CASE("weights for PyTorch, in 32 and in 16 bits") {
  const TemporaryFolder folder;
  const Model model = make_model("resnet20", 5);
  for (const auto& [name, dtype] :
       {std::pair{"f32", Dtype::f32}, {"f16", Dtype::f16}, {"bf16", Dtype::bf16}}) {
    CAPTURE(name);
    const std::string path = (folder / name).string();
    const ProcessResult r =
        unfold_program({"export", "resnet20", "--seed", "5", "--safetensors", path, "--dtype", name});
    CAPTURE(r.err);
    REQUIRE(r.code == 0);
    CHECK(contains(r.out, std::string(dtype_name(dtype))));
    const SafetensorsFile file = read_safetensors(path);
    CHECK(file.metadata == std::map<std::string, std::string>{{"format", "pt"}});
    CHECK(file.tensors.size() == model.parameters.table().slices().size());
    const Tensor* w = file.find("layer1.0.conv1.weight");
    REQUIRE(w);
    CHECK(w->dtype() == dtype);
    const std::vector<float> got = as_floats(*w);
    const float* want = model.parameters.slice(model.parameters.table().find("layer1.0.conv1.weight"));
    const double bound = dtype == Dtype::f32 ? 0 : dtype == Dtype::f16 ? 0x1p-11 : 0x1p-8;
    for (size_t i = 0; i < got.size(); ++i) {
      const auto off = static_cast<double>(std::abs(got[i] - want[i]));
      CHECK(off <= bound * static_cast<double>(std::abs(want[i])) + (bound > 0 ? 0x1p-25 : 0));
    }
    Parameters<float> back(model.parameters.shared_table());
    CHECK(transfer(file, back, path).missing.empty());
  }
}

TEST_CASE("what cannot be exported is said before anything is written") {
  const TemporaryFolder folder;
  const std::string file = (folder / "net.onnx").string();
  const auto refused = [&](std::vector<std::string> words, int code, const std::string& part) {
    words.insert(words.begin(), "export");
    const ProcessResult r = unfold_program(words);
    CAPTURE(r.err);
    CHECK(r.code == code);
    CHECK(contains(r.err, part));
    CHECK(std::filesystem::is_empty(folder.path()));
  };
  refused({"lenet5"}, 2, "no file to write");
  refused({"lenet6", "--onnx", file}, 2, "did you mean 'lenet5'?");
  refused({"lenet5", "--softmax", "--safetensors", file}, 2, "--onnx");
  refused({"lenet5", "--dtype", "f16", "--onnx", file}, 2, "--safetensors");
  refused({"lenet5", "--dtype", "f12", "--safetensors", file}, 2, "did you mean 'f32'?");
  refused({"lenet5", "--onnx", (folder / "none/net.onnx").string()}, 1, "none");
  save_model(folder / "m.safetensors", make_model("lenet5", 1));
  const std::string model = (folder / "m.safetensors").string();
  CHECK(unfold_program({"export", model, "--onnx", file, "--seed", "1"}).code == 2);
  CHECK(unfold_program({"export", model, "--onnx", file, "--input", "1x28x28"}).code == 2);
  CHECK(!std::filesystem::exists(file));
  CHECK(unfold_program({"eval", UNFOLD_FORMATS_DATA "/tiny.onnx", "--data", "strokes"}).code == 4);
}
