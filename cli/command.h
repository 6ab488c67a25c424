// What a command of the program is made of. A command is one file, cli/NAME.cpp, with one function
//
//   void add_NAME(CLI::App& app, Global& global) {
//     auto options = std::make_shared<Options>();
//     CLI::App* command = app.add_subcommand("NAME", "What it does, in one line");
//     command->add_option("--epochs", options->epochs, "...");
//     command->footer("Examples:\n  unfold NAME ...");
//     on_run(command, global, [options, &global] { return run(*options, global); });
//   }
//
// plus its name in the table of main.cpp and its file in CMakeLists.txt. A command throws unfold::Error;
// main() turns it into one `error:` line, one `hint:` line and the exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <utility>

#include "unfold/error.h"

namespace unfold::cli {

/// The program's exit codes; those of unfold::Error follow from its kind.
enum ExitCode {
  kOk = 0,
  kRuntimeError = 1,
  kUsageError = 2,
  kDataError = 3,
  kModelError = 4,
  kDiverged = 5,
  kGoalNotMet = 6,
  kInterrupted = 130,  ///< after saving
};

/// What every command knows: the flags that may stand before or after its name.
struct Global {
  bool quiet = false;        ///< -q: results and errors only
  bool verbose = false;      ///< -v: say more
  std::function<int()> run;  ///< the chosen command, set by on_run
};

using AddCommand = void(CLI::App& app, Global& global);

/// Makes `body` what runs once the whole command line has been understood; it returns the exit code.
inline void on_run(CLI::App* command, Global& global, std::function<int()> body) {
  command->callback([&global, body = std::move(body)] { global.run = body; });
}

/// Refuses a sign: "-1" would be read as the largest whole number.
inline std::string whole_number(const std::string& word) {
  return word.find_first_not_of("0123456789") == std::string::npos
             ? ""
             : "wanted a whole number from 0, got " + word;
}

/// Where text for people goes: stdout, or stderr when stdout carries JSON.
inline std::ostream& text(bool json) {
  return json ? std::cerr : std::cout;
}

}  // namespace unfold::cli
