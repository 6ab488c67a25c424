// unfold bench: a line an engine, JSON, and what it refuses.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/run.h"
#include "unfold/formats/safetensors.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;
using Json = nlohmann::json;

TEST_CASE("bench --engine all: the three engines on the same work, with steps, peak and memory") {
  const ProcessResult result = unfold_program({"bench", "--engine", "all", "--batch", "20", "--repeats", "2",
                                               "--seconds", "0", "--threads", "2", "--json"});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  const Json json = Json::parse(result.out);
  CHECK(json.at("batch") == 20);
  CHECK(json.at("threads") == 2);
  CHECK(json.at("fma_peak_gflops_per_core").get<double>() > 0);
  REQUIRE(json.at("engines").size() == 3);
  for (const Json& engine : json.at("engines")) {
    CHECK(engine.at("fastest_s").get<double>() > 0);
    CHECK(engine.at("median_s") >= engine.at("fastest_s"));
    CHECK(engine.at("runs") >= 2);
    CHECK(engine.at("bytes") > 0);
    // Multiply-adds of LeNet-5, twice: forward, and backward without dx of the first layer.
    CHECK(engine.at("gflop").get<double>() == doctest::Approx(2e-9 * 20 * (3 * 416520 - 117600)));
    for (const Json& step : engine.at("steps")) CHECK(step.at("forward_s").get<double>() >= 0);
    // Every part has some work in it but the layouts, which im2col's engine leaves alone.
    double whole = 0;
    for (const auto& [part, share] : engine.at("shares").items()) {
      CAPTURE(part);
      if (part != "layout") CHECK(share.get<double>() > 0);
      whole += share.get<double>();
    }
    CHECK(std::abs(whole - 1) <= 0.01);
  }
}

TEST_CASE("bench of one engine shows its steps, and forward alone with --inference") {
  const ProcessResult training =
      unfold_program({"bench", "--batch", "4", "--repeats", "1", "--seconds", "0"});
  REQUIRE(training.code == 0);
  CHECK(contains(training.out, "conv2d/lanes-winograd"));
  const ProcessResult inference =
      unfold_program({"bench", "lenet5", "--inference", "--batch", "1", "--repeats", "1", "--seconds", "0"});
  REQUIRE(inference.code == 0);
  CHECK(contains(inference.out, "inference"));
  CHECK(contains(inference.out, "conv2d/rows"));  // one image is computed in rows
}

TEST_CASE("bench --dump writes a step that can be computed again") {
  const TemporaryFolder folder;
  const std::string path = (folder / "step.safetensors").string();
  const std::vector<std::string> common{"--batch", "20", "--repeats", "1", "--seconds", "0", "--dump", path};
  const auto dumped = [&](std::initializer_list<std::string> more) {
    std::vector<std::string> arguments{"bench"};
    arguments.insert(arguments.end(), common.begin(), common.end());
    arguments.insert(arguments.end(), more);
    const ProcessResult result = unfold_program(arguments);
    CAPTURE(result.err);
    REQUIRE(result.code == 0);
    return read_safetensors(path);
  };
  const SafetensorsFile fast = dumped({}), naive = dumped({"--engine", "naive"});
  const auto same = [&](std::string_view name) {
    const Tensor *a = fast.find(name), *b = naive.find(name);
    REQUIRE(a != nullptr);
    REQUIRE(b != nullptr);
    double largest = 0, error = 0;
    for (int64_t i = 0; i < b->elements(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(b->data<float>()[i])));
      const double e = std::abs(static_cast<double>(a->data<float>()[i]) - b->data<float>()[i]);
      if (!(e <= error)) error = e;  // NaN stays
    }
    CAPTURE(name);
    CHECK(largest > 0);
    CHECK(error <= 2e-5 * largest);
  };
  for (const char* name : {"input", "logits", "conv1.weight", "gradient.conv1.weight", "gradient.conv2.bias",
                           "gradient.fc3.weight"}) {
    same(name);
  }
  CHECK(fast.find("labels")->shape() == Shape{20});
  CHECK(std::abs(fast.find("loss")->data<double>()[0] - naive.find("loss")->data<double>()[0]) <= 1e-5);
  // Of inference there is no gradient.
  CHECK(dumped({"--inference"}).find("gradient.conv1.weight") == nullptr);
}

TEST_CASE("bench refuses unknown models, engines and optimizers") {
  CHECK(unfold_program({"bench", "--optimizer", "adm"}).code == 2);
  CHECK(unfold_program({"bench", "--engine", "all", "--dump", "x.safetensors"}).code == 2);
  CHECK(unfold_program({"bench", "lenet6"}).code == 2);
  CHECK(unfold_program({"bench", "--engine", "fats"}).code == 2);
}
