// The commands about runs and models as users meet them: files, lines, JSON, exit codes.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/run.h"
#include "unfold/files.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;
using Json = nlohmann::json;

namespace {

/// One run of two epochs on a small data set, which many tests look at.
struct Trained {
  TemporaryFolder folder;
  std::string data = small_data(folder.path(), 600, 100);
  fs::path run = folder / "run";
  ProcessResult result = unfold_program(
      {"train", "--data", data, "--epochs", "2", "--batch-size", "32", "--out", run.string(), "--json"});
};
const Trained& trained() {
  static const Trained the_run;
  return the_run;
}

std::string digit(int value) {
  return std::string(UNFOLD_DIGITS) + "/" + std::to_string(value) + ".png";
}

ProcessResult short_run(const std::string& out, std::vector<std::string> more,
                        const std::vector<std::string>& env = {}) {
  more.insert(more.begin(), {"train", "--data", trained().data, "--epochs", "1", "--out", out});
  return unfold_program(more, env);
}

}  // namespace

TEST_CASE("a run leaves the files that are listed, and no others") {
  CAPTURE(trained().result.err);
  REQUIRE(trained().result.code == 0);
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(trained().run)) names.insert(entry.path().filename());
  CHECK(names == std::set<std::string>{"best.safetensors", "last.safetensors", "checkpoint.safetensors",
                                       "config.json", "metrics.csv", "norms.csv", "log.jsonl",
                                       "confusion_matrix.csv", "test.safetensors", "report.html",
                                       "replay.jsonl"});
}

TEST_CASE("train --json: one object with accuracy and loss on stdout, the text on stderr") {
  const Json json = Json::parse(trained().result.out);
  CHECK(json.at("accuracy").get<double>() >= 0);
  CHECK(json.at("accuracy").get<double>() <= 1);
  CHECK(json.at("loss").get<double>() > 0);
  CHECK(json.at("epochs") == 2);
  CHECK(json.at("seed") == 0);
  for (const char* key : {"run", "model", "report"}) CHECK(fs::exists(json.at(key).get<std::string>()));
  CHECK(contains(trained().result.err, "test accuracy "));
}

TEST_CASE("config.json holds every setting as it was resolved, log.jsonl an object a line") {
  const Json config = Json::parse(text_of(trained().run / "config.json"));
  for (const char* key :
       {"model",    "data",   "epochs",   "batch_size",      "optimizer",  "betas", "epsilon", "weight_decay",
        "schedule", "lr",     "warmup",   "label_smoothing", "clip_norm",  "ema",   "augment", "val_split",
        "seed",     "engine", "patience", "save_every",      "environment"}) {
    CAPTURE(key);
    CHECK(config.contains(key));
  }
  CHECK(!config.contains("momentum"));  // Adam has none
  CHECK(config.at("epochs") == 2);
  CHECK(config.at("batch_size") == 32);
  CHECK(config.at("data") == trained().data);
  for (const char* key : {"unfold", "simd", "threads", "data_set"})
    CHECK(config["environment"].contains(key));
  std::vector<std::string> events;
  for (const std::string& line : lines_of(text_of(trained().run / "log.jsonl"))) {
    const Json event = Json::parse(line);
    CHECK(event.contains("time"));
    events.push_back(event.at("event"));
  }
  CHECK(events == std::vector<std::string>{"start", "epoch", "epoch", "test"});
}

TEST_CASE("metrics.csv has its header and a row an epoch, confusion_matrix.csv every test image") {
  const auto lines = lines_of(text_of(trained().run / "metrics.csv"));
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "epoch,train_loss,train_acc,val_loss,val_acc,lr,seconds,val_seconds,images_per_s");
  CHECK(lines[1].starts_with("1,"));
  CHECK(lines[2].starts_with("2,"));
  int64_t images = 0;
  const auto rows = lines_of(text_of(trained().run / "confusion_matrix.csv"));
  REQUIRE(rows.size() == 11);
  for (size_t row = 1; row < rows.size(); ++row) {
    for (size_t at = rows[row].find(','); at != std::string::npos; at = rows[row].find(',', at + 1)) {
      images += std::stoll(rows[row].substr(at + 1));
    }
  }
  CHECK(images == 100);
}

TEST_CASE("without --out runs are numbered, and eval without MODEL takes the newest") {
  const TemporaryFolder folder;
  const auto in_folder = [&](const std::string& arguments) {
    return run(
        {"sh", "-c", "cd '" + folder.path().string() + "' && exec '" + UNFOLD_PROGRAM + "' " + arguments});
  };
  ProcessResult r = in_folder("eval");
  CHECK(r.code == 4);
  CHECK(contains(r.err, "unfold train"));
  for (int i = 1; i <= 2; ++i) {
    REQUIRE(in_folder("train --data '" + trained().data + "' --epochs 1").code == 0);
    CHECK(fs::exists(folder / ("runs/lenet5-" + std::to_string(i) + "/best.safetensors")));
  }
  r = in_folder("eval --data '" + trained().data + "'");
  CAPTURE(r.err);
  CHECK(r.code == 0);
  CHECK(contains(r.err, "runs/lenet5-2/best.safetensors"));
  CHECK(contains(r.out, "100 test images\naccuracy "));
}

TEST_CASE("a run folder that is not empty is refused, and replaced with --force") {
  const TemporaryFolder folder;
  const std::string out = (folder / "run").string();
  fs::create_directory(folder / "run");
  write_file(folder / "run/report.html", "old");
  write_file(folder / "run/mine.txt", "mine");
  ProcessResult r = short_run(out, {});
  CHECK(r.code == 2);
  CHECK(contains(r.err, "not empty"));
  CHECK(contains(r.err, "--force"));
  CHECK(text_of(folder / "run/report.html") == "old");
  CHECK(short_run(out, {"--force"}).code == 0);
  CHECK(text_of(folder / "run/report.html") != "old");
  CHECK(text_of(folder / "run/mine.txt") == "mine");  // not ours to remove
}

TEST_CASE("a run folder that cannot be written is said before training") {
  const TemporaryFolder folder;
  write_file(folder / "file", "x");
  for (const std::string& out : {(folder / "file/run").string(), std::string("/proc/unfold-run")}) {
    const ProcessResult r = short_run(out, {});
    CAPTURE(r.err);
    CHECK(r.code == 1);
    CHECK(contains(r.err, "error: " + out));
    CHECK(contains(r.err, "--out"));
    CHECK(!contains(r.out, "epoch"));
  }
  CHECK(short_run((folder / "file").string(), {}).code == 2);
}

TEST_CASE("off a terminal no line is redrawn or coloured, whatever --progress says") {
  const TemporaryFolder folder;
  int n = 0;
  for (const char* mode : {"auto", "plain", "none"}) {
    CAPTURE(mode);
    const ProcessResult r = short_run((folder / std::to_string(n++)).string(), {"--progress", mode},
                                      {"TERM=dumb", "LANG=C", "NO_COLOR=1"});
    CHECK(r.code == 0);
    CHECK(!contains(r.out + r.err, "\r"));
    CHECK(!contains(r.out + r.err, "\x1b"));
    CHECK(contains(r.out, "test accuracy "));
    CHECK(contains(r.out, "run folder: ") == (std::string(mode) != "none"));
  }
  CHECK(short_run((folder / "bar").string(), {"--progress", "bar"}).code == 0);
  CHECK(short_run((folder / "x").string(), {"--progress", "bars"}).code == 2);
}

TEST_CASE("the first lines are there before training ends") {
  const TemporaryFolder folder;
  const std::string log = (folder / "out").string(), run_folder = (folder / "run").string();
  // Stopped soon after its first lines are there: had they come at the end only, it would be over by then.
  bool early = false;
  const int code = [&] {
    const pid_t child = fork();
    if (child == 0) {
      dup2(open(log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644), STDOUT_FILENO);
      execl(UNFOLD_PROGRAM, UNFOLD_PROGRAM, "train", "--data", trained().data.c_str(), "--epochs", "100000",
            "--out", run_folder.c_str(), nullptr);
      _exit(127);
    }
    for (int i = 0; i < 20000 && !early; ++i) {
      early = contains(text_of(log), "run folder: ") && fs::exists(folder / "run/checkpoint.safetensors");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
  }();
  CHECK(early);
  CHECK(code == SIGKILL);  // it was still training
  CHECK(text_of(log).starts_with("unfold 0."));
}

TEST_CASE("--patience stops early, --val-split 0 trains on all images") {
  const TemporaryFolder folder;
  ProcessResult r =
      unfold_program({"train", "--data", trained().data, "--epochs", "50", "--patience", "1", "--lr", "1e-12",
                      "--schedule", "constant", "--shift", "0", "--out", (folder / "a").string()});
  CHECK(r.code == 0);
  CHECK(contains(r.out, "stopped: no better validation for 1 epochs"));
  CHECK(lines_of(text_of(folder / "a/metrics.csv")).size() < 51);
  r = short_run((folder / "b").string(), {"--val-split", "0"});
  CAPTURE(r.err);
  CHECK(r.code == 0);
  CHECK(contains(r.out, "600 training, 0 validation"));
  const std::string row = lines_of(text_of(folder / "b/metrics.csv")).at(1);
  CHECK(contains(row, ",,,"));  // no validation: empty cells
}

TEST_CASE("eval, predict, summary and gradcheck speak JSON") {
  const std::string model = trained().run.string();
  ProcessResult r = unfold_program({"eval", model, "--data", trained().data, "--json"});
  CAPTURE(r.err);
  REQUIRE(r.code == 0);
  Json json = Json::parse(r.out);
  const Json train = Json::parse(trained().result.out);
  CHECK(json.at("accuracy") == train.at("accuracy"));
  CHECK(json.at("loss") == train.at("loss"));
  CHECK(json.at("images") == 100);
  CHECK(json.at("classes").size() == 10);
  CHECK(json.at("confusion").size() == 10);

  r = unfold_program({"predict", model, digit(3), digit(4), "--json", "--top", "2"});
  REQUIRE(r.code == 0);
  json = Json::parse(r.out);
  REQUIRE(json.size() == 2);
  CHECK(json[0].at("image") == digit(3));
  CHECK(json[0].at("prediction").is_string());
  CHECK(json[0].at("top").size() == 2);
  CHECK(json[0]["top"][0].at("probability").get<double>() >=
        json[0]["top"][1].at("probability").get<double>());

  r = unfold_program({"summary", model, "--json", "--plan"});
  REQUIRE(r.code == 0);
  json = Json::parse(r.out);
  CHECK(json.at("parameters") == 61706);
  int64_t sum = 0;
  for (const Json& layer : json.at("layers")) sum += layer.at("parameters").get<int64_t>();
  CHECK(sum == 61706);
  CHECK(json.at("numerics").is_string());

  r = unfold_program({"gradcheck", "lenet5-article", "--samples", "2", "--batch", "1", "--json"});
  REQUIRE(r.code == 0);
  json = Json::parse(r.out);
  CHECK(json.at("tensors").size() == 11);  // LeNet-5's ten and the input
  CHECK(json.at("worst").get<double>() <= json.at("tolerance").get<double>());
}

TEST_CASE("predict answers for a digit, and says why there is no answer for other pictures") {
  const TemporaryFolder folder;
  const std::string model = trained().run.string();
  ProcessResult r = unfold_program({"predict", model, digit(3)});
  CHECK(r.code == 0);
  CHECK(lines_of(r.out).size() == 1);
  CHECK(r.out.starts_with(digit(3) + ": "));
  CHECK(contains(r.out, "%)"));

  std::string page(120 * 60, '\xff');
  write_file(folder / "blank.pgm", "P5\n120 60\n255\n" + page);
  const auto stroke = [&page](size_t left) {  // a 1, four pixels wide
    for (size_t y = 10; y < 50; ++y) {
      for (size_t x = left; x < left + 5; ++x) page[y * 120 + x] = '\0';
    }
  };
  stroke(30);
  write_file(folder / "one.pgm", "P5\n120 60\n255\n" + page);
  stroke(85);
  write_file(folder / "two.pgm", "P5\n120 60\n255\n" + page);
  r = unfold_program({"predict", model, (folder / "one.pgm").string()});
  CHECK(r.code == 0);
  CHECK(contains(r.out, "%)"));
  for (const char* name : {"blank.pgm", "two.pgm"}) {
    CAPTURE(name);
    const std::string path = (folder / name).string();
    r = unfold_program({"predict", model, path});
    CHECK(r.code == 0);
    CHECK(r.out.starts_with(path + ": no answer: "));
    CHECK(r.out.size() > path.size() + 20);
    const Json json = Json::parse(unfold_program({"predict", model, path, "--json"}).out);
    CHECK(json[0].at("prediction").is_null());
    CHECK(!json[0].at("note").get<std::string>().empty());
  }
  r = unfold_program({"predict", model, digit(7), "--show"});
  CHECK(lines_of(r.out).size() == 30);  // its name, 28 lines of the picture, the answer
  CHECK(unfold_program({"predict", model}).code == 2);
}

TEST_CASE("summary of LeNet-5 shows its 61,706 parameters") {
  for (const char* model : {"lenet5", "lenet5-article"}) {
    const ProcessResult r = unfold_program({"summary", model});
    CHECK(r.code == 0);
    CHECK(contains(r.out, "Total: 61,706 parameters"));
  }
  CHECK(contains(unfold_program({"summary", "--plan"}).out, "numerics: "));
}

TEST_CASE("unknown names are usage errors with the nearest that exists, and leave no folder") {
  const TemporaryFolder folder;
  const std::string out = (folder / "r").string();
  const auto check = [&](const std::string& option, const std::string& got, const std::string& meant) {
    const ProcessResult r = short_run(out, {option, got});
    CAPTURE(r.err);
    CHECK(r.code == 2);
    CHECK(contains(r.err, "'" + got + "'"));
    CHECK(contains(r.err, "did you mean '" + meant + "'"));
    CHECK(!fs::exists(out));
  };
  check("--model", "lenet", "lenet5");
  check("--engine", "imcol", "im2col");
  check("--optimizer", "adma", "adam");
  check("--schedule", "cosin", "cosine");
  check("--progress", "plian", "plain");
  CHECK(unfold_program({"summary", "lenet6"}).code == 2);
  CHECK(unfold_program({"gradcheck", "lenet6"}).code == 2);
  for (const auto& more : {std::vector<std::string>{"--lr", "0"},
                           {"--lr", "nan"},
                           {"--epochs", "0"},
                           {"--batch-size", "0"},
                           {"--val-split", "1"},
                           {"--val-split", "-0.1"},
                           {"--shift", "99"},
                           {"--threads", "-1"},
                           {"--momentum", "7"},
                           {"--weight-decay", "-1"}}) {
    CAPTURE(more[0]);
    CAPTURE(more[1]);
    CHECK(short_run(out, more).code == 2);
    CHECK(!fs::exists(out));
  }
}

TEST_CASE(
    "--target-acc stops when it is reached, and is exit code 6 when it is not; --max-time begins no epoch "
    "too many") {
  const TemporaryFolder folder;
  const auto train = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.begin(),
                {"train", "--data", trained().data, "--out", (folder.path() / name).string(), "--json"});
    return unfold_program(more);
  };
  const ProcessResult reached = train("reached", {"--epochs", "9", "--target-acc", "0.01"});
  CAPTURE(reached.err);
  REQUIRE(reached.code == 0);
  CHECK(Json::parse(reached.out).at("epochs") == 1);
  CHECK(contains(reached.err, "is reached"));

  const ProcessResult missed = train("missed", {"--epochs", "1", "--target-acc", "1"});
  CHECK(missed.code == 6);
  CHECK(contains(missed.err, "error: "));
  CHECK(contains(missed.err, "hint: "));
  CHECK(fs::exists(folder.path() / "missed" / "report.html"));  // the run is whole all the same

  const ProcessResult timed = train("timed", {"--epochs", "9", "--max-time", "0.000001"});
  REQUIRE(timed.code == 0);
  CHECK(Json::parse(timed.out).at("epochs") == 1);
  CHECK(contains(timed.err, "--max-time"));

  CHECK(train("wrong", {"--target-acc", "99"}).code == 2);
}
