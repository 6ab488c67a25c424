// unfold bench: a line an engine, JSON, and what it refuses.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/run.h"
#include "unfold/files.h"
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

TEST_CASE("bench --layers times each pass of each layer and engine") {
  const TemporaryFolder folder;
  write_file(folder / "layers.txt",
             "# two layers on three lines\n"
             "mb2 ic16 ih14 oc32 oh14 kh3 ph1 n\"three by three\"\n"
             "\n"
             "mb1_g16ic16ih15iw9_oc16oh8ow5kh3kw3sh2sw2ph1pw1; ic4ih9oc4kh3dh1\n");
  const ProcessResult result =
      unfold_program({"bench", "--layers", (folder / "layers.txt").string(), "--engine", "all", "--repeats",
                      "2", "--seconds", "0", "--threads", "2", "--batch", "3", "--json"});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  const Json json = Json::parse(result.out);
  const Json& rows = json.at("layers");
  REQUIRE(rows.size() == 3 * 3 * 3);
  // Multiply-adds by hand: images, outputs, patch.
  const double gflop[] = {2e-9 * 2 * 32 * 14 * 14 * 16 * 9, 2e-9 * 1 * 16 * 8 * 5 * 9,
                          2e-9 * 3 * 4 * 5 * 5 * 4 * 9};
  const char* names[] = {"three by three", "mb1_g16ic16ih15iw9_oc16oh8ow5kh3kw3sh2sw2ph1pw1",
                         "ic4ih9oc4kh3dh1"};
  const int64_t batch[] = {2, 1, 3};
  const char* passes[] = {"forward", "backward data", "backward weights"};
  for (size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(i);
    const Json& row = rows[i];
    CHECK(row.at("layer") == names[i / 9]);
    CHECK(row.at("batch") == batch[i / 9]);
    CHECK(row.at("pass") == passes[i % 3]);
    CHECK(row.at("gflop").get<double>() == doctest::Approx(gflop[i / 9]));
    CHECK(row.at("fastest_s").get<double>() > 0);
    CHECK(row.at("median_s") >= row.at("fastest_s"));
    CHECK(row.at("of_peak").get<double>() > 0);
    if (i % 9 < 3) CHECK(row.at("kernel") == "conv2d/reference");
  }
  CHECK(json.at("of_peak_means").size() == 9);
  // Forward alone, as a table.
  const ProcessResult forward = unfold_program(
      {"bench", "--layers", "ic4ih9oc4kh3", "--inference", "--repeats", "1", "--seconds", "0"});
  REQUIRE(forward.code == 0);
  CHECK(contains(forward.out, "forward"));
  CHECK_FALSE(contains(forward.out, "backward"));
}

TEST_CASE("bench --layers names what is wrong with a layer") {
  const std::pair<const char*, const char*> bad[] = {
      {"ic4 ih9 oc4", "\"kh\" is missing"},
      {"ic0ih9oc4kh3", "\"ic\" is missing or 0"},
      {"ic4 ih9 oc4 kx3", "unknown size \"kx\""},
      {"ic4 ih9 oc4 kh", "\"kh\" needs a number"},
      {"ic4 ih9 oc4 kh-3", "\"kh\" needs a number"},
      {"ic4 ih9 oc4 kh99999999999999999999", "\"kh\" needs a number"},
      {"ic4 ih9 oc4 kh3 ic5", "\"ic\" stands there twice"},
      {"ic4 ih9 oc4 kh3 oh4", "\"oh\" is not what the other sizes give (wanted 7, got 4)"},
      {"ic4 ih9 oc5 kh3 g2", "groups do not divide the channels"},
      {"ic4 ih9 oc4 kh10", "kernel"},
      {"ic4 ih9 oc4 kh3 sh0", "stride"},
      {"ic4 ih9 oc4 kh3 n\"open", "second quotation mark"},
      {"ic4 ih9 oc4 kh3; 5", "unknown size \"5\""},
      {" ; # nothing", "no layer in the list"},
  };
  for (const auto& [list, message] : bad) {
    CAPTURE(list);
    const ProcessResult result = unfold_program({"bench", "--layers", list});
    CAPTURE(result.err);
    CHECK(result.code == 2);
    CHECK(contains(result.err, message));
  }
}
