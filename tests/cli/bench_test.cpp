// unfold bench: a line an engine, JSON, and what it refuses.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/run.h"

using namespace unfold::test;
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
  CHECK(contains(inference.out, "conv2d/im2col"));  // one image is computed in rows
}

TEST_CASE("bench refuses unknown models and engines") {
  CHECK(unfold_program({"bench", "lenet6"}).code == 2);
  CHECK(unfold_program({"bench", "--engine", "fats"}).code == 2);
}
