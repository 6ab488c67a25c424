// unfold report: pages made from run folders alone.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/support/run.h"
#include "unfold/files.h"
#include "unfold/formats/model_file.h"
#include "unfold/train/run_report.h"
#include "unfold/train/test_results.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;

namespace {

/// One run of two epochs, which the tests look at.
struct Trained {
  TemporaryFolder folder;
  std::string data = small_data(folder.path(), 600, 100);
  fs::path run = folder / "run";
  ProcessResult result =
      unfold_program({"train", "--data", data, "--epochs", "2", "--batch-size", "32", "--out", run.string()});
};
const Trained& trained() {
  static const Trained the_run;
  return the_run;
}

}  // namespace

TEST_CASE("the page of a run is made again from its folder, to the same bytes, without the data") {
  CAPTURE(trained().result.err);
  REQUIRE(trained().result.code == 0);
  const TemporaryFolder folder;
  const fs::path moved = folder / "run";  // away from everything else
  fs::copy(trained().run, moved);
  const std::string page = text_of(moved / "report.html");
  for (const char* part :
       {"Gradients", "Weights", "conv1", "fc3", "The most confident mistakes", "Learning rate"}) {
    CAPTURE(part);
    CHECK(contains(page, part));
  }
  fs::remove(moved / "report.html");
  ProcessResult r = unfold_program({"report", moved.string()});
  CAPTURE(r.err);
  CHECK(r.code == 0);
  CHECK(contains(r.out, "report: " + (moved / "report.html").string()));
  CHECK((text_of(moved / "report.html") == page));
  r = unfold_program({"report", moved.string(), "-o", (folder / "else.html").string(), "--json"});
  CHECK(r.code == 0);
  CHECK(nlohmann::json::parse(r.out).at("report") == (folder / "else.html").string());
  CHECK((text_of(folder / "else.html") == page));
}

TEST_CASE("norms.csv has a row an epoch and layer, of weights that are those of the model") {
  const Report report = read_report(trained().run);
  REQUIRE(report.norms.size() == 10);
  const std::vector<std::string> layers = {"conv1", "conv2", "fc1", "fc2", "fc3"};
  const Model last = load_model(trained().run / "last.safetensors").model;
  for (size_t i = 0; i < 10; ++i) {
    const NormRow& row = report.norms[i];
    CHECK(row.epoch == static_cast<int64_t>(1 + i / 5));
    CHECK(row.layer == layers[i % 5]);
    CHECK(row.gradient > 0);
    CHECK(row.gradient < 100);
    if (row.epoch != 2) continue;
    double squares = 0;
    for (const char* part : {".weight", ".bias"}) {
      const Tensor t = last.parameters.tensor(last.parameters.table().find(row.layer + part));
      for (const float v : t.span<float>()) squares += double{v} * v;
    }
    CHECK(std::abs(row.weight - std::sqrt(squares)) <= 1e-9 * row.weight);
  }
}

TEST_CASE("the mistakes that are shown are wrong, of the test images, and the surest first") {
  const TestResults results = load_test_results(trained().run / "test.safetensors");
  CHECK(results.confusion.total() == 100);
  const auto wrong = results.confusion.total() - results.confusion.correct();
  REQUIRE(wrong > 0);  // two short epochs
  CHECK(static_cast<int64_t>(results.wrong.size()) == std::min<int64_t>(40, wrong));
  const Dataset test = load_dataset(trained().data, {}).test;
  for (size_t i = 0; i < results.wrong.size(); ++i) {
    const Report::Sample& sample = results.wrong[i];
    CHECK(sample.truth != sample.predicted);
    CHECK(sample.truth == test.labels[static_cast<size_t>(sample.index)]);
    const auto pixels = test.at(sample.index);
    CHECK(std::equal(pixels.begin(), pixels.end(), sample.pixels.begin(), sample.pixels.end()));
    CHECK(sample.confidence > 0.1);
    CHECK(sample.confidence <= 1);
    if (i > 0) CHECK(sample.confidence <= results.wrong[i - 1].confidence);
  }
  for (const Report::Sample& sample : results.right) CHECK(sample.truth == sample.predicted);
}

TEST_CASE("what is no run is refused by name, a run that is not done has a page all the same") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "empty");
  write_file(folder / "file", "x");
  for (const char* name : {"empty", "file", "missing"}) {
    const ProcessResult r = unfold_program({"report", (folder / name).string()});
    CAPTURE(r.err);
    CHECK(r.code == 3);
    CHECK(contains(r.err, "error: " + (folder / name).string()));
    CHECK(contains(r.err, "runs/lenet5-1"));
  }
  const fs::path run = folder / "run";
  fs::copy(trained().run, run);
  fs::remove(run / "test.safetensors");
  CHECK(unfold_program({"report", run.string()}).code == 0);
  CHECK(contains(text_of(run / "report.html"), "No test image was classified"));
  const std::string before = text_of(run / "report.html");
  write_file(run / "metrics.csv", "epoch,loss\n1,2\n");
  ProcessResult r = unfold_program({"report", run.string()});
  CHECK(r.code == 3);
  CHECK(contains(r.err, "metrics.csv"));
  fs::copy(trained().run / "metrics.csv", run / "metrics.csv", fs::copy_options::overwrite_existing);
  std::string damaged = text_of(trained().run / "test.safetensors");
  damaged[damaged.size() - 100] ^= 1;
  write_file(run / "test.safetensors", damaged);
  r = unfold_program({"report", run.string()});
  CHECK(r.code == 4);
  CHECK(contains(r.err, "test.safetensors"));
  CHECK((text_of(run / "report.html") == before));
}

TEST_CASE("names of a class and of a run that hold markup stay text") {
  const TemporaryFolder folder;
  const std::string evil = "<script>alert(1)<!-- \"'&";
  const fs::path run = folder / ("<b>" + std::string("run"));
  fs::copy(trained().run, run);
  TestResults results = load_test_results(run / "test.safetensors");
  results.classes[3] = evil;
  save_test_results(run / "test.safetensors", results);
  REQUIRE(unfold_program({"report", run.string()}).code == 0);
  const std::string page = text_of(run / "report.html");
  CHECK_FALSE(contains(page, "<script>alert"));
  CHECK_FALSE(contains(page, "<b>run"));
  CHECK(contains(page, "&lt;script&gt;alert(1)&lt;!-- &quot;&#39;&amp;"));
}

TEST_CASE("several runs are compared: curves over each other, results, and the settings that differ") {
  const TemporaryFolder folder;
  const fs::path other = folder / "other <i>run", same = folder / "run";
  REQUIRE(unfold_program({"train", "--data", trained().data, "--epochs", "3", "--batch-size", "32", "--lr",
                          "0.002", "--optimizer", "sgd", "--no-replay", "--out", other.string()})
              .code == 0);
  fs::copy(trained().run, same);
  const std::string page = (folder / "page.html").string();
  const ProcessResult r =
      unfold_program({"report", trained().run.string(), other.string(), same.string(), "-o", page, "--json"});
  CAPTURE(r.err);
  REQUIRE(r.code == 0);
  const auto json = nlohmann::json::parse(r.out);
  CHECK(json.at("runs").size() == 3);
  CHECK(json["runs"][1].at("epochs") == 3);
  const std::string text = text_of(page);
  CHECK(contains(text, "3 runs compared"));
  CHECK(contains(text, "<bdi>other &lt;i&gt;run</bdi>"));
  CHECK_FALSE(contains(text, "<i>run"));
  CHECK(
      contains(text, "<bdi>" + same.string() + "</bdi>"));  // two are called "run": told apart by their paths
  // A run of two epochs beside one of three: read out where it has numbers.
  const Report report = read_report(other);
  char loss[32];
  std::snprintf(loss, sizeof loss, "%.4f", report.epochs[2].val_loss);
  CHECK(contains(text, "aria-label=\"Epoch 3: other &lt;i&gt;run " + std::string(loss) + "\""));
  // The settings: what differs in the first table, the rest in the second.
  const size_t differing = text.find("id=\"settings\""), shared = text.find("Settings they share");
  REQUIRE(differing < shared);
  const std::string first = text.substr(differing, shared - differing), second = text.substr(shared);
  for (const char* name : {"Optimizer", "Learning rate", "Epochs asked for", "Momentum", "Betas"}) {
    CAPTURE(name);
    CHECK(contains(first, "<bdi>" + std::string(name) + "</bdi>"));
    CHECK_FALSE(contains(second, "<bdi>" + std::string(name) + "</bdi>"));
  }
  for (const char* name : {"Batch size", "Seed", "Data", "Parameters"}) {
    CAPTURE(name);
    CHECK(contains(second, "<bdi>" + std::string(name) + "</bdi>"));
    CHECK_FALSE(contains(first, "<bdi>" + std::string(name) + "</bdi>"));
  }
  CHECK(contains(first, "<td><bdi>0.003</bdi></td><td><bdi>0.002</bdi></td><td><bdi>0.003</bdi></td>"));
}

TEST_CASE("a folder that is no run among several is named; more than eight are too many") {
  const TemporaryFolder folder;
  ProcessResult r = unfold_program(
      {"report", trained().run.string(), folder.path().string(), "-o", (folder / "page.html").string()});
  CHECK(r.code == 3);
  CHECK(contains(r.err, "error: " + folder.path().string()));
  CHECK_FALSE(fs::exists(folder / "page.html"));
  std::vector<std::string> many(10, trained().run.string());
  many[0] = "report";
  r = unfold_program(many);
  CHECK(r.code == 2);
  CHECK(contains(r.err, "at most 8"));
}
