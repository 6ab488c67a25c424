// unfold doctor: what this build and this machine can do, and what is in the way of speed.
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/build_info.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "unfold/data/mnist.h"
#include "unfold/data/source.h"
#include "unfold/threads.h"

namespace unfold::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

/// One line of the report: what it is called, what people read, what programs read.
struct Finding {
  std::string key, text;
  Json value;
};

struct Findings {
  std::vector<Finding> findings;
  std::vector<std::string> warnings;

  void add(const char* key, std::string said, Json value) {
    findings.push_back({key, std::move(said), std::move(value)});
  }
  void add(const char* key, const std::string& said) { add(key, said, said); }
};

/// What follows "KEY ... :" in the first such line of a file of /proc; "" if there is none.
std::string proc_value(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (!line.starts_with(key) || colon == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

std::string cpu_name() {
  if (std::string name = proc_value("/proc/cpuinfo", "model name"); !name.empty()) return name;
  utsname system{};
  return uname(&system) == 0 ? system.machine : "unknown";
}

/// Where `program` would be started from; "" if it is nowhere in $PATH.
std::string find_program(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path ? path : "");
  for (std::string directory; std::getline(directories, directory, ':');) {
    const fs::path candidate = fs::path(directory.empty() ? "." : directory) / program;
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored) && access(candidate.c_str(), X_OK) == 0)
      return candidate.string();
  }
  return "";
}

std::string join(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

void examine_build(Findings& report) {
  const BuildInfo build = build_info();
  report.add("version", build.version);
  report.add("revision", build.revision.empty() ? "unknown" : build.revision);
  report.add("compiler", build.compiler);
  report.add("build_type", build.build_type.empty() ? "none" : build.build_type);
  if (!build.optimised) {
    report.warnings.push_back(
        "built without optimisation, many times slower: cmake -DCMAKE_BUILD_TYPE=Release");
  }
  if (!build.sanitizer.empty()) {
    report.warnings.push_back("built with the " + build.sanitizer + " sanitizer, several times slower");
  }
  report.add("highway", build.highway);
  report.add("simd", build.simd);
  report.add("simd_available", join(build.targets), build.targets);
  if (build.simd == "EMU128" || build.simd == "SCALAR" || build.simd == "none") {
    report.warnings.push_back("no vector instructions in use: training will be slow");
  }
}

void examine_machine(Findings& report) {
  report.add("cpu", cpu_name());
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  const int threads = default_threads();
  report.add("threads", std::to_string(threads) + " of " + std::to_string(online) + " CPUs may be used",
             threads);
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  const double total =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  const double available = 1024.0 * std::strtod(proc_value("/proc/meminfo", "MemAvailable").c_str(), nullptr);
  std::ostringstream memory;
  memory << std::fixed << std::setprecision(1) << available / kGiB << " of " << total / kGiB << " GiB free";
  report.add("memory", memory.str(), {{"total_bytes", total}, {"available_bytes", available}});
}

/// True if all four files are there in full; their contents are checked when they are read.
bool has_mnist(const fs::path& directory) {
  const auto& files = mnist_files();
  return std::all_of(files.begin(), files.end(), [&](const IdxFile& file) {
    std::error_code missing;
    return fs::file_size(directory / file.name, missing) == file.bytes && !missing;
  });
}

void examine_data(Findings& report) {
  try {
    const fs::path cache = cache_directory("mnist");
    const bool there = has_mnist(cache);
    report.add("cache", cache.parent_path().string());
    report.add("mnist", there ? "in the cache" : "not in the cache", there);
    std::string fashion;
    for (const fs::path& directory : fashion_mnist_directories()) {
      std::error_code ignored;
      if (fashion.empty() && fs::is_directory(directory, ignored)) fashion = directory.string();
    }
    report.add("fashion_mnist", fashion.empty() ? "not found" : fashion,
               fashion.empty() ? Json() : Json(fashion));
  } catch (const Error& e) {  // neither HOME nor XDG_CACHE_HOME is set
    report.add("cache", "none", Json());
    report.warnings.push_back(std::string(e.what()) + "; " + e.hint());
  }
}

void examine_tools(Findings& report) {
  for (const char* program : {"curl", "npm"}) {
    const std::string path = find_program(program);
    report.add(program, path.empty() ? "not found" : path, path.empty() ? Json() : Json(path));
  }
}

void examine_terminal(Findings& report) {
  const std::string width = std::to_string(terminal_width()) + " columns";
  const bool drawn = interactive(STDOUT_FILENO), coloured = colour(STDOUT_FILENO);
  report.add("terminal",
             width + (utf8_terminal() ? ", UTF-8" : ", ASCII") + (drawn ? "" : ", plain lines") +
                 (coloured ? ", colour" : ", no colour"),
             {{"columns", terminal_width()},
              {"utf8", utf8_terminal()},
              {"interactive", drawn},
              {"colour", coloured}});
}

int run_doctor(bool json) {
  Findings report;
  examine_build(report);
  examine_machine(report);
  examine_data(report);
  examine_tools(report);
  examine_terminal(report);

  if (json) {
    Json object;
    for (const Finding& finding : report.findings) object[finding.key] = finding.value;
    object["warnings"] = report.warnings;
    // A file name or a CPU name need not be UTF-8.
    std::cout << object.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
    return kOk;
  }
  constexpr int kKeyWidth = 16;
  for (const Finding& finding : report.findings) {
    std::string name = finding.key;
    std::replace(name.begin(), name.end(), '_', ' ');
    std::cout << std::left << std::setw(kKeyWidth) << name << finding.text << '\n';
  }
  for (const std::string& warning : report.warnings) std::cout << "warning: " << warning << '\n';
  return kOk;
}

}  // namespace

void add_doctor(CLI::App& app, Global& global) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("doctor", "What this machine and this build can do");
  command->add_flag("--json", *json, "One JSON object on stdout");
  command->footer("Examples:\n  unfold doctor\n  unfold doctor --json");
  on_run(command, global, [json] { return run_doctor(*json); });
}

}  // namespace unfold::cli
