// The training replay: what it records is what the network was, and recording changes nothing.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/base64.h"
#include "tests/support/run.h"
#include "unfold/files.h"
#include "unfold/formats/model_file.h"
#include "unfold/train/replay.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;
using Json = nlohmann::json;

namespace {

std::vector<std::string> arguments(const std::string& data, const fs::path& out) {
  return {"train", "--data", data, "--epochs", "3", "--batch-size", "32", "--out", out.string()};
}

/// One run of three epochs, which the tests look at.
struct Trained {
  TemporaryFolder folder;
  std::string data = small_data(folder.path(), 600, 100);
  fs::path run = folder / "run";
  ProcessResult result = unfold_program(arguments(data, run));
};
const Trained& trained() {
  static const Trained the_run;
  REQUIRE(the_run.result.code == 0);
  return the_run;
}

/// Every value of a picture lies within half a step of 1/255 of its range, and `slack`, of what it should be.
void check_picture(const Json& picture, std::span<const float> wanted, double slack) {
  const double low = picture.at("low"), high = picture.at("high");
  CHECK(low <= 0);
  CHECK(high >= 0);
  const std::vector<uint8_t> bytes = unbase64(picture.at("data"));
  REQUIRE(bytes.size() == wanted.size());
  double worst = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    worst = std::max(worst, std::abs(low + bytes[i] / 255.0 * (high - low) - double{wanted[i]}));
  }
  CHECK(!(worst > 0.5001 * (high - low) / 255 + slack));
  CHECK(std::count(bytes.begin(), bytes.end(), 255) > 0);  // the range is used
}

Json replay_of(const fs::path& run) {
  return Json::parse(read_replay(run / "replay.jsonl").json);
}

}  // namespace

TEST_CASE("the frames are the weights, maps, probabilities and confusion of their epochs") {
  const Json replay = replay_of(trained().run);
  REQUIRE(replay.at("frames").size() == 4);
  for (int64_t e = 0; e < 4; ++e) CHECK(replay["frames"][static_cast<size_t>(e)].at("epoch") == e);

  // Before training: the network with its seed's weights.
  const Model fresh = make_model("lenet5", 0);
  check_picture(replay["frames"][0].at("filters"), fresh.parameters.tensor(0).span<float>(), 0);
  CHECK(replay["frames"][0].at("confusion").is_null());

  // After the last epoch: the last model, its values computed by the naive engine.
  const Model last = load_model(trained().run / "last.safetensors").model;
  const Json& frame = replay["frames"][3];
  check_picture(frame.at("filters"), last.parameters.tensor(0).span<float>(), 0);
  const Dataset train = load_dataset(trained().data, {}).train;
  const int64_t image = 500;  // the first of the sixth part held out of 600
  CHECK(replay.at("image").at("truth") == train.labels[static_cast<size_t>(image)]);
  const auto pixels = train.at(image);
  const std::vector<uint8_t> kept = unbase64(replay.at("image").at("data"));
  CHECK(std::equal(kept.begin(), kept.end(), pixels.begin(), pixels.end()));
  ThreadPool pool(1);
  const Plan<float> plan(last.graph, {.batch = 1, .training = true, .engine = Engine::naive, .keep = true});
  Workspace<float> workspace(plan.memory(), 1);
  Parameters<float> gradient(last.parameters.shared_table());
  ImageResult result;
  const int32_t label = 0;
  plan.gradient(
      last.parameters, [&](int64_t, int64_t, float* x) { preprocess(last.preprocessing, pixels, x); }, &label,
      gradient, &result, workspace, pool);
  const std::vector<std::string> layers = {"relu1", "pool1", "relu2", "pool2"};
  REQUIRE(replay.at("maps").size() == layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    CHECK(replay["maps"][i].at("layer") == layers[i]);
    for (const Node& node : last.graph.nodes()) {
      if (node.name == layers[i])
        check_picture(frame.at("maps")[i], plan.value(node.output, 0, workspace), 1e-4);
    }
  }
  const auto p = probabilities(plan.value(last.graph.output(), 0, workspace));
  for (size_t c = 0; c < p.size(); ++c)
    CHECK(!(std::abs(frame.at("probabilities")[c].get<double>() - p[c]) > 1e-4));

  // The confusion matrix: of the 100 validation images, and its diagonal is metrics.csv's accuracy.
  const auto metrics = parse_metrics_csv(text_of(trained().run / "metrics.csv"));
  for (size_t e = 1; e < 4; ++e) {
    const Json& counts = replay["frames"][e].at("confusion");
    int64_t all = 0, right = 0;
    for (size_t t = 0; t < 10; ++t) {
      right += counts[t][t].get<int64_t>();
      for (size_t q = 0; q < 10; ++q) all += counts[t][q].get<int64_t>();
    }
    CHECK(all == 100);
    CHECK(right == std::lround(100 * metrics[e - 1].val_acc));
  }
}

TEST_CASE("--no-replay changes no bit of the weights, and records none") {
  const TemporaryFolder folder;
  std::vector<std::string> more = arguments(trained().data, folder / "run");
  more.push_back("--no-replay");
  REQUIRE(unfold_program(more).code == 0);
  CHECK_FALSE(fs::exists(folder / "run/replay.jsonl"));
  for (const char* name : {"best.safetensors", "last.safetensors"}) {
    CHECK((text_of(folder / "run" / name) == text_of(trained().run / name)));
  }
  CHECK_FALSE(contains(text_of(folder / "run/report.html"), "replay-data"));
  REQUIRE(unfold_program({"train", "--resume", (folder / "run").string(), "--epochs", "4"}).code == 0);
  CHECK_FALSE(fs::exists(folder / "run/replay.jsonl"));
}

TEST_CASE("a replay's page is small, holds no markup of strangers, and bad lines are refused by number") {
  const std::string page = text_of(trained().run / "report.html");
  CHECK(contains(page, "id=\"replay-data\""));
  CHECK(page.size() < 400000);
  const TemporaryFolder folder;
  const fs::path run = folder / "run", file = run / "replay.jsonl";
  fs::copy(trained().run, run);
  std::vector<std::string> lines = lines_of(text_of(file));
  const auto report = [&](const std::vector<std::string>& with, const std::string& end = "") {
    std::string text;
    for (const std::string& line : with) text += line + "\n";
    write_file(file, text + end);
    return unfold_program({"report", run.string()});
  };
  Json header = Json::parse(lines[0]);
  header["classes"][3] = "</script><script>alert(1)</script>";
  header["image"]["from"] = "<!--<script>";
  CHECK(report({header.dump(), lines[1], lines[2]}).code == 0);
  CHECK_FALSE(contains(text_of(run / "report.html"), "<script>alert(1)"));
  CHECK_FALSE(contains(text_of(run / "report.html"), "<!--<script>"));
  CHECK(report({lines[0], lines[1]}, lines[2].substr(0, 100)).code == 0);  // cut off: left out

  std::vector<std::string> bad = {"", "{}", "[1]", "{\"epoch\":1}"};
  for (const char* field : {"filters", "maps", "probabilities", "confusion", "epoch"}) {
    Json frame = Json::parse(lines[2]);
    frame[field] = field == std::string("epoch") ? Json(-1) : Json("x");
    bad.push_back(frame.dump());
    frame.erase(field);
    bad.push_back(frame.dump());
  }
  Json frame = Json::parse(lines[2]);
  frame["filters"]["data"] = frame["filters"]["data"].get<std::string>().substr(4);
  bad.push_back(frame.dump());
  frame = Json::parse(lines[2]);
  frame["confusion"][3].erase(0);
  bad.push_back(frame.dump());
  for (const std::string& line : bad) {
    CAPTURE(line.substr(0, 200));
    const ProcessResult r = report({lines[0], lines[1], line});
    CHECK(r.code == 3);
    CHECK(contains(r.err, "replay.jsonl, line 3"));
  }
  CHECK(report(bad).code == 3);
}

TEST_CASE("a run goes on without a replay if its replay was damaged, and says so") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  fs::copy(trained().run, run);
  write_file(run / "replay.jsonl", "{}\n");
  const ProcessResult r = unfold_program({"train", "--resume", run.string(), "--epochs", "4"});
  CHECK(contains(r.err, "note: the replay is not continued"));
  CHECK(fs::exists(run / "last.safetensors"));
  CHECK(parse_metrics_csv(text_of(run / "metrics.csv")).size() == 4);
}

TEST_CASE("the page shows the confusion matrix of the epoch it is opened at") {
  if (run({"sh", "-c", "command -v chromium"}).code != 0) {
    MESSAGE("skipped: no chromium here");
    return;
  }
  const Json replay = replay_of(trained().run);
  const TemporaryFolder folder;
  for (const size_t epoch : {0, 2}) {
    const std::string address =
        "file://" + (trained().run / "report.html").string() + "#epoch=" + std::to_string(epoch);
    const ProcessResult r = run({"chromium", "--headless", "--no-sandbox", "--disable-gpu",
                                 "--user-data-dir=" + (folder / "profile").string(), "--dump-dom", address});
    const size_t views = r.out.find("id=\"replay-views\"");
    REQUIRE(views != std::string::npos);
    const size_t end = r.out.find("id=\"replay-data\"", views);
    const std::string drawn = r.out.substr(views, end - views);
    CHECK(contains(r.out,
                   epoch == 0 ? "Before training: random weights" : "Epoch 2 of 3, validation accuracy"));
    std::vector<std::string> cells;
    for (size_t at = drawn.find("<td"); at != std::string::npos; at = drawn.find("<td", at + 1)) {
      const size_t begin = drawn.find('>', at) + 1;
      cells.push_back(drawn.substr(begin, drawn.find('<', begin) - begin));
    }
    REQUIRE(cells.size() == 100);
    for (size_t i = 0; i < 100; ++i) {
      const Json& counts = replay["frames"][epoch].at("confusion");
      CHECK(cells[i] ==
            (epoch == 0 ? "\xE2\x80\x93" : std::to_string(counts[i / 10][i % 10].get<int64_t>())));
    }
    CHECK(contains(drawn, "Filters of conv1 at epoch " + std::to_string(epoch) + ": 6 pictures"));
  }
}
