// unfold train --config and --dump-config, and the settings of a recipe as users give them.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/run.h"
#include "unfold/files.h"
#include "unfold/formats/model_file.h"
#include "unfold/train/checkpoint.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;
using Json = nlohmann::json;

namespace {

const std::vector<std::string> kMany = {"--optimizer",
                                        "sgd",
                                        "--momentum",
                                        "0.8",
                                        "--nesterov",
                                        "--weight-decay",
                                        "1e-3",
                                        "--schedule",
                                        "step",
                                        "--milestones",
                                        "1,2",
                                        "--gamma",
                                        "0.5",
                                        "--warmup",
                                        "0.25",
                                        "--label-smoothing",
                                        "0.125",
                                        "--clip-norm",
                                        "2",
                                        "--ema",
                                        "0.75",
                                        "--freeze",
                                        "conv1.*",
                                        "--freeze",
                                        "fc1.bias",
                                        "--epochs",
                                        "2",
                                        "--batch-size",
                                        "16",
                                        "--seed",
                                        "18446744073709551615",
                                        "--augment",
                                        "cutout:4",
                                        "--tensorboard"};

ProcessResult train(std::vector<std::string> more) {
  more.insert(more.begin(), "train");
  return unfold_program(more);
}
std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

void check_refused(const std::vector<std::string>& arguments, const std::vector<std::string>& said,
                   int code = 2) {
  const ProcessResult r = train(arguments);
  CAPTURE(r.err);
  CHECK(r.code == code);
  for (const std::string& part : said) {
    CAPTURE(part);
    CHECK(contains(r.err, part));
  }
}

}  // namespace

TEST_CASE("dump -> config, and a run's own config.json, give the same weights bit for bit") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path());
  const auto into = [&](const char* name) {
    return std::vector<std::string>{"--out", (folder / name).string(), "--threads", "1"};
  };
  const auto flags = std::vector<std::string>{"--data", data} + kMany;
  REQUIRE(train(flags + into("a")).code == 0);
  const ProcessResult dump = train(flags + std::vector<std::string>{"--dump-config"});
  REQUIRE(dump.code == 0);
  write_file(folder / "settings.json", dump.out);
  const Json json = Json::parse(dump.out);
  CHECK(json.at("milestones") == Json({1, 2}));
  CHECK(json.at("seed") == 18446744073709551615u);
  CHECK(json.at("freeze") == Json({"conv1.*", "fc1.bias"}));
  CHECK(json.at("tensorboard") == true);
  CHECK(json.at("patience").is_null());

  ProcessResult r =
      train(std::vector<std::string>{"--config", (folder / "settings.json").string()} + into("b"));
  CAPTURE(r.err);
  REQUIRE(r.code == 0);
  r = train(std::vector<std::string>{"--config", (folder / "a/config.json").string()} + into("c"));
  CAPTURE(r.err);
  REQUIRE(r.code == 0);
  for (const char* run : {"b", "c"}) {
    for (const char* name : {"best.safetensors", "last.safetensors", "norms.csv"})
      CHECK((text_of(folder / run / name) == text_of(folder / "a" / name)));
    const Json one = Json::parse(text_of(folder / "a/config.json"));
    Json other = Json::parse(text_of(folder / run / "config.json"));
    CHECK(one == other);
  }
  CHECK(fs::exists(folder / "b/tensorboard"));

  // The command line counts: another schedule has none of the file's milestones.
  r = train(std::vector<std::string>{"--config", (folder / "settings.json").string(), "--schedule", "cosine",
                                     "--optimizer", "adam", "--epochs", "1", "--dump-config"});
  CAPTURE(r.err);
  REQUIRE(r.code == 0);
  const Json changed = Json::parse(r.out);
  CHECK(changed.at("schedule") == "cosine");
  CHECK(changed.at("epochs") == 1);
  CHECK(changed.at("milestones").is_null());
  CHECK(changed.at("momentum").is_null());
  CHECK(changed.at("label_smoothing") == 0.125);
}

TEST_CASE("--dump-config has every flag, and what it prints changes nothing") {
  const ProcessResult help = train({"--help"}), dump = train({"--dump-config"});
  REQUIRE(dump.code == 0);
  const Json json = Json::parse(dump.out);
  std::set<std::string> flags;
  for (const std::string& line : lines_of(help.out)) {
    const size_t at = line.find("--");
    if (at == std::string::npos || line.find_first_not_of(" -h,") < at) continue;
    std::string name = line.substr(at + 2, line.find_first_of(" ,=", at) - at - 2);
    std::replace(name.begin(), name.end(), '-', '_');
    if (name != "help" && name != "config" && name != "dump_config" && name != "resume" && name != "quiet" &&
        name != "verbose" && name != "version")
      flags.insert(name);
  }
  CHECK(flags.size() > 30);
  for (const std::string& name : flags) {
    CAPTURE(name);
    CHECK(json.contains(name));
  }
  CHECK(json.size() == flags.size());
  const TemporaryFolder folder;
  write_file(folder / "c.json", dump.out);
  CHECK(train({"--config", (folder / "c.json").string(), "--dump-config"}).out == dump.out);
}

TEST_CASE("a config file that cannot be: unknown names, wrong types, values out of range") {
  const TemporaryFolder folder;
  const std::string file = (folder / "c.json").string();
  const auto refused = [&](const std::string& text, const std::vector<std::string>& said) {
    CAPTURE(text.substr(0, 100));
    write_file(folder / "c.json", text);
    std::vector<std::string> all = said;
    all.push_back(file);
    check_refused({"--config", file, "--dump-config"}, all);
  };
  refused("{", {"no JSON"});
  refused("[1]", {"JSON object"});
  refused(R"({"lr": )" + std::string(100000, '[') + std::string(100000, ']') + "}", {"lists within lists"});
  refused(R"({"epoch": 3})", {"unknown setting 'epoch'", "did you mean 'epochs'?"});
  refused(R"({"batch-sizes": 3})", {"did you mean 'batch_size'?"});
  refused(R"({"epochs": "3"})", {"c.json: epochs", "wanted a whole number", "got \"3\""});
  refused(R"({"epochs": 2.5})", {"wanted a whole number", "got 2.5"});
  refused(R"({"lr": true})", {"wanted a number", "got true"});
  refused(R"({"nesterov": 1})", {"wanted true or false"});
  refused(R"({"optimizer": ["sgd"]})", {"wanted a text"});
  refused(R"({"freeze": [1]})", {"wanted a list of texts"});
  refused(R"({"milestones": [1.5]})", {"wanted a list of whole numbers"});
  refused(R"({"target_acc": 7})", {"target_acc"});
  refused(R"({"batch_size": 3, "batch-size": 4})", {"two names"});
  refused(R"({"config": "x.json"})", {"config"});
  refused(R"({"resume": "runs/x"})", {"resume"});
  check_refused({"--config", (folder / "none.json").string()}, {"none.json"});
  write_file(folder / "c.json", R"({"optimizer": "adm"})");
  check_refused({"--config", file, "--dump-config"}, {"did you mean 'adam'?"});
  write_file(folder / "good.json", R"({/* fewer */ "batch-size": 7, "learning_rate": 1, "environment": {}})");
  const ProcessResult good = train({"--config", (folder / "good.json").string(), "--dump-config"});
  CHECK(Json::parse(good.out).at("batch_size") == 7);
  CHECK(Json::parse(good.out).at("lr") == 1);
}

TEST_CASE("settings that would be ignored, and settings out of range, are refused") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path());
  const std::vector<std::string> run = {"--data", data, "--out", (folder / "run").string()};
  const auto refused = [&](const std::vector<std::string>& more, const std::vector<std::string>& said) {
    check_refused(run + more, said);
    CHECK(!fs::exists(folder / "run"));
  };
  refused({"--momentum", "0.9"}, {"--momentum is for SGD", "adam"});
  refused({"--optimizer", "sgd", "--betas", "0.9,0.99"}, {"--betas is for Adam"});
  refused({"--optimizer", "sgd", "--epsilon", "1e-3"}, {"--epsilon is for Adam"});
  refused({"--gamma", "0.5"}, {"--gamma is for the step schedule"});
  refused({"--step-size", "3"}, {"--step-size is for the step schedule"});
  refused({"--milestones", "3"}, {"--milestones is for the step schedule"});
  refused({"--schedule", "step"}, {"--step-size 30"});
  refused({"--schedule", "step", "--milestones", "3,2"}, {"rising"});
  refused({"--warmup", "10"}, {"warm-up"});
  refused({"--label-smoothing", "1"}, {"label smoothing"});
  refused({"--clip-norm", "-1"}, {"clip norm"});
  refused({"--ema", "1"}, {"ema"});
  refused({"--freeze", "*"}, {"nothing is left to learn"});
  refused({"--freeze", "conv*", "--freeze", "fc*"}, {"nothing is left to learn"});
  check_refused({"--resume", "x", "--config", "y"}, {"--config"});
}

TEST_CASE("--ema: what is validated and saved is the average, what is trained on the raw weights") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path());
  const std::vector<std::string> flags = {"--data", data, "--epochs", "1", "--threads", "1"};
  REQUIRE(train(flags + std::vector<std::string>{"--out", (folder / "raw").string()}).code == 0);
  REQUIRE(train(flags + std::vector<std::string>{"--out", (folder / "ema").string(), "--ema", "0.5"}).code ==
          0);
  const Model raw = load_model(folder / "raw/last.safetensors").model,
              average = load_model(folder / "ema/last.safetensors").model;
  const Checkpoint checkpoint = load_checkpoint(folder / "ema/checkpoint.safetensors");
  const auto same = [](const Parameters<float>& a, const Parameters<float>& b) {
    return std::equal(a.all().begin(), a.all().end(), b.all().begin(), b.all().end());
  };
  CHECK(same(checkpoint.model.parameters, raw.parameters));  // the average steers nothing
  CHECK(same(checkpoint.averaged, average.parameters));
  CHECK(!same(raw.parameters, average.parameters));
}

TEST_CASE("--init-from and --input stand in config.json and outlive a resume") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path());
  REQUIRE(train({"--data", data, "--epochs", "1", "--out", (folder / "first").string()}).code == 0);
  REQUIRE(train({"--data", data, "--epochs", "1", "--out", (folder / "second").string(), "--init-from",
                 (folder / "first").string(), "--input", "1x32x32"})
              .code == 0);
  for (int i = 0; i < 2; ++i) {
    const Json config = Json::parse(text_of(folder / "second/config.json"));
    CHECK(config.at("init_from") == fs::absolute(folder / "first").string());
    CHECK(config.at("input") == "1x32x32");
    if (i == 0) REQUIRE(train({"--resume", (folder / "second").string(), "--epochs", "2"}).code == 0);
  }
}
