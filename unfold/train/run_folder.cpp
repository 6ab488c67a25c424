#include "unfold/train/run_folder.h"

#include <chrono>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "unfold/files.h"
#include "unfold/train/recipe_json.h"
#include "unfold/train/tensorboard.h"

namespace unfold {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFiles[] = {"best.safetensors",     "last.safetensors", "checkpoint.safetensors",
                                  "config.json",          "metrics.csv",      "log.jsonl",
                                  "confusion_matrix.csv", "report.html",      "norms.csv",
                                  "test.safetensors",     "replay.jsonl"};

std::string now() {
  const std::time_t time = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

/// The folders on the way to `path` that are not there, the innermost first.
std::vector<fs::path> missing_folders(const fs::path& path) {
  std::vector<fs::path> missing;
  std::error_code code;
  for (fs::path at = path; !at.empty() && !fs::exists(at, code); at = at.parent_path()) missing.push_back(at);
  return missing;
}

Error unfinished(const fs::path& run) {
  return Error(ErrorKind::model, "this run has not finished an epoch, so there is no model yet")
      .where(run.string())
      .hint("go on with 'unfold train --resume " + run.string() + "'");
}

}  // namespace

RunFolder RunFolder::create(const fs::path& out, const std::string& name, bool force) {
  fs::path path = out;
  std::error_code code;
  std::vector<fs::path> made = missing_folders(out.empty() ? "runs" : out);
  if (out.empty()) fs::create_directories("runs", code);
  for (int n = 1; path.empty(); ++n) {
    const fs::path candidate = fs::path("runs") / (name + "-" + std::to_string(n));
    // Made by us, not just seen to be missing: two runs that start together get a folder each.
    const bool ours = fs::create_directory(candidate, code);
    if (ours) made.insert(made.begin(), candidate);
    if (ours || code) path = candidate;
  }
  if (fs::exists(path, code) && !fs::is_directory(path, code)) {
    throw Error(ErrorKind::usage, "the run folder is a file")
        .where(path.string())
        .hint("choose another with --out");
  }
  if (fs::is_directory(path, code) && !fs::is_empty(path, code) && !force) {
    throw Error(ErrorKind::usage, "the run folder is not empty")
        .where(path.string())
        .hint("go on with --resume " + path.string() + ", choose another --out, or replace it with --force");
  }
  require_writable(path);
  return RunFolder(path, std::move(made));
}

void RunFolder::clear() const {
  std::error_code code;
  for (const char* file : kFiles) fs::remove(path_ / file, code);
  remove_event_files(tensorboard());
}

void RunFolder::abandon() const {
  std::error_code code;
  for (const fs::path& folder : made_)
    fs::remove(folder, code);  // fails, as it should, if something is in it
}

RunFolder RunFolder::open(const fs::path& folder) {
  RunFolder run(folder);
  std::error_code code;
  if (!fs::exists(run.checkpoint(), code)) {
    throw Error(ErrorKind::model, "there is no run to go on with")
        .where(folder.string())
        .wanted("a folder with checkpoint.safetensors")
        .got(fs::is_directory(folder, code) ? "a folder without one"
             : fs::exists(folder, code)     ? "a file"
                                            : "no such folder")
        .hint("give the folder of a run, e.g. --resume runs/lenet5-1");
  }
  return run;
}

RunFolder RunFolder::newest(const fs::path& runs) {
  fs::path newest, begun;
  fs::file_time_type latest;
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(runs, code)) {
    const fs::path model = entry.path() / "best.safetensors";
    std::error_code missing;
    const auto written = fs::last_write_time(model, missing);
    if (!missing && (newest.empty() || written > latest)) {
      newest = entry.path();
      latest = written;
    }
    if (missing && fs::exists(RunFolder(entry.path()).checkpoint(), missing)) begun = entry.path();
  }
  if (newest.empty() && !begun.empty()) throw unfinished(begun);
  if (newest.empty()) {
    throw Error(ErrorKind::model, "no trained model in this folder's runs/")
        .where(runs.string())
        .hint("train one with 'unfold train', or name a model file");
  }
  return RunFolder(newest);
}

fs::path model_file_of(const fs::path& path) {
  std::error_code code;
  if (!fs::is_directory(path, code)) return path;
  if (fs::exists(path / "best.safetensors", code)) return path / "best.safetensors";
  if (fs::exists(path / "checkpoint.safetensors", code)) throw unfinished(path);
  throw Error(ErrorKind::model, "this folder is not that of a run")
      .where(path.string())
      .wanted("best.safetensors")
      .got("no such file")
      .hint("give a folder that 'unfold train' has made, e.g. runs/lenet5-1, or a model file");
}

void RunFolder::log(const std::string& event,
                    const std::vector<std::pair<std::string, std::string>>& fields) {
  nlohmann::ordered_json json = {{"event", event}, {"time", now()}};
  for (const auto& [name, value] : fields) {
    auto number = nlohmann::json::parse(value, nullptr, false);
    if (number.is_number()) {
      json[name] = number;
    } else {
      json[name] = value;
    }
  }
  append_file(path_ / "log.jsonl",
              json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void RunFolder::write_config(const Recipe& recipe, const RunState& state,
                             const std::vector<std::pair<std::string, std::string>>& environment) const {
  nlohmann::ordered_json json = {{"model", state.model}, {"data", state.data}};
  if (!state.input.empty()) json["input"] = state.input;
  json.update(nlohmann::ordered_json::parse(recipe_json(recipe, -1)));
  if (!state.init_from.empty()) json["init_from"] = state.init_from;
  json["patience"] = state.patience;
  json["save_every"] = state.save_every;
  for (const auto& [name, value] : environment) json["environment"][name] = value;
  write_file(path_ / "config.json",
             json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void RunFolder::write_metrics(const RunState& state) const {
  write_file(path_ / "metrics.csv", metrics_csv(state.rows));
  write_file(path_ / "norms.csv", norms_csv(state.norms));
}

std::string data_of_run(const fs::path& model_file) {
  std::ifstream file(model_file.parent_path() / "config.json");
  const auto json = nlohmann::json::parse(file, nullptr, false);  // no file, no JSON: discarded
  return json.is_object() && json.contains("data") && json["data"].is_string()
             ? json["data"].get<std::string>()
             : std::string();
}

}  // namespace unfold
