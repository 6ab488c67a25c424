// The unfold program: reads the command line, runs one command, and turns whatever goes wrong into one
// `error:` line, one `hint:` line and an exit code.
#include <algorithm>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstring>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "cli/build_info.h"
#include "cli/command.h"
#include "unfold/suggest.h"

namespace unfold::cli {

// The commands, in the order of --help. Each is one file, cli/NAME.cpp.
AddCommand add_train, add_report, add_eval, add_predict, add_models, add_summary, add_im2col, add_gradcheck,
    add_exercise, add_data, add_doctor, add_bench, add_explain, add_export, add_run;
constexpr AddCommand* kCommands[] = {
    add_train,  add_report,    add_eval,     add_predict, add_models, add_summary, add_export,  add_run,
    add_im2col, add_gradcheck, add_exercise, add_data,    add_doctor, add_bench,   add_explain,
};

namespace {

/// What `unfold` alone suggests; only commands that exist are shown.
constexpr struct {
  const char *command, *arguments, *purpose;
} kNextSteps[] = {
    {"train", "", "learn to read digits: LeNet-5 on MNIST"},
    {"predict", " my_digit.png", "ask the newest model about a picture"},
    {"explain", " my_digit.png", "see how it came to its answer, number by number"},
    {"eval", "", "accuracy of the newest model, digit by digit"},
    {"im2col", " --shape 1x3x4x4 --kernel 2", "see convolution become a matrix product"},
    {"summary", "", "layers, shapes and parameters of a network"},
    {"data", " mnist", "get the data set, and see what is in it"},
    {"doctor", "", "what this machine and this build can do"},
};

bool has_command(const CLI::App& app, const std::string& name) {
  return !app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; }).empty();
}

int print_next_steps(const CLI::App& app) {
  constexpr int kSteps = 5;
  constexpr size_t kIndent = 4;
  std::cout << "Unfold trains convolutional networks on the CPU.\n\nNext:\n";
  int shown = 0;
  for (const auto& step : kNextSteps) {
    if (shown == kSteps || !has_command(app, step.command)) continue;
    ++shown;
    std::cout << "  unfold " << step.command << step.arguments << "\n"
              << std::string(kIndent + 2, ' ') << step.purpose << "\n";
  }
  std::cout << "\nAll commands: unfold --help\n";
  return kOk;
}

/// Prints on one line whatever the text holds: a file name may carry line ends and escape sequences.
void print_line(const char* label, std::string_view text) {
  std::string line(text);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  for (char& c : line) {
    if (c == '\n') c = ' ';
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  std::cerr << label << ": " << line << '\n';
}

int fail(ExitCode code, std::string_view what, std::string_view hint) {
  std::cout.flush();  // what was printed comes before what went wrong
  print_line("error", what);
  print_line("hint", hint);
  return code;
}

ExitCode exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::runtime:
      return kRuntimeError;
    case ErrorKind::usage:
      return kUsageError;
    case ErrorKind::data:
      return kDataError;
    case ErrorKind::model:
      return kModelError;
    case ErrorKind::diverged:
      return kDiverged;
    case ErrorKind::goal:
      return kGoalNotMet;
  }
  return kRuntimeError;
}

/// The command that was named, or the program itself.
const CLI::App& chosen(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app : *commands.front();
}

std::string help_hint(const CLI::App& app) {
  const CLI::App& command = chosen(app);
  return "see 'unfold " + (&command == &app ? "" : command.get_name() + " ") + "--help'";
}

/// What is said about a word of the command line that nothing takes.
int fail_unknown(const CLI::App& app, const std::string& word) {
  const CLI::App& command = chosen(app);
  std::string what;
  std::vector<std::string> candidates;
  if (word.starts_with('-')) {
    what = "unknown option '" + word.substr(0, word.find('=')) + "'";
    for (const CLI::App* owner : {&command, &app}) {
      for (const CLI::Option* option : owner->get_options()) {
        for (const std::string& name : option->get_lnames()) candidates.push_back("--" + name);
      }
      if (owner == &app) break;
    }
  } else if (&command == &app) {
    what = "unknown command '" + word + "'";
    for (const CLI::App* other : app.get_subcommands({})) candidates.push_back(other->get_name());
  } else {
    what = "'unfold " + command.get_name() + "' takes no '" + word + "'";
  }
  const std::string nearest = did_you_mean(word.substr(0, word.find('=')), candidates);
  return fail(kUsageError, what,
              nearest.empty() ? help_hint(app) : "did you mean '" + nearest + "'? " + help_hint(app));
}

/// The arguments as CLI11 wants them, last first. `--batch_size` is `--batch-size`; `help X` is `X --help`.
std::vector<std::string> arguments(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  for (std::string& word : words) {
    if (word == "--") break;
    if (!word.starts_with("--")) continue;
    const size_t end = std::min(word.find('='), word.size());
    std::replace(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(end), '_', '-');
  }
  return {words.rbegin(), words.rend()};
}

/// Understands the command line and runs the command. Help and version are printed here.
int run(CLI::App& app, Global& global, int argc, char** argv) {
  try {
    app.parse(arguments(argc, argv));
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return kOk;
  } catch (const CLI::CallForVersion& version) {
    std::cout << version.what() << '\n';
    return kOk;
  } catch (const CLI::ParseError& e) {
    // A misspelt option is said before the one that is missing because of it.
    const std::vector<std::string> unknown = app.remaining(true);
    const bool named = &chosen(app) != &app;  // else the first word should have been a command
    for (const std::string& word : unknown) {
      if (named && word.starts_with('-')) return fail_unknown(app, word);
    }
    if (!unknown.empty()) return fail_unknown(app, unknown.front());
    constexpr std::string_view kConvert = "Could not convert: ";  // "--lr = abc"
    const std::string_view said = e.what();
    if (const size_t is = said.find(" = "); said.starts_with(kConvert) && is != std::string_view::npos) {
      return fail(kUsageError,
                  std::string(said.substr(kConvert.size(), is - kConvert.size())) +
                      " is no such number (got '" + std::string(said.substr(is + 3)) + "')",
                  help_hint(app));
    }
    return fail(kUsageError, e.what(), help_hint(app));
  }
  return global.run ? global.run() : print_next_steps(app);
}

/// The hint of an error that brought none.
std::string default_hint(const CLI::App& app, ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
    case ErrorKind::goal:
      return help_hint(app);
    case ErrorKind::data:
      return "check that the file is there and is what its name says";
    case ErrorKind::model:
      return "name a model file that 'unfold train' has written";
    case ErrorKind::diverged:
      return "try a smaller --lr";
    case ErrorKind::runtime:
      break;
  }
  return "'unfold doctor' shows what this machine and this build can do";
}

int guarded(int argc, char** argv) {
  Global global;
  CLI::App app("Unfold: convolutional networks on the CPU, convolution as a matrix product over patches",
               "unfold");
  app.fallthrough();  // -q and -v may follow the command
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", version_text, "Version, compiler and vector instructions in use");
  CLI::Option* quiet = app.add_flag("-q,--quiet", global.quiet, "Results and errors only");
  app.add_flag("-v,--verbose", global.verbose, "Say more")->excludes(quiet);
  app.footer("'unfold COMMAND --help' shows the options of a command, with examples.");
  for (AddCommand* add : kCommands) add(app, global);
  try {
    return run(app, global, argc, argv);
  } catch (const Error& e) {
    return fail(exit_code(e.kind()), e.what(), e.hint().empty() ? default_hint(app, e.kind()) : e.hint());
  } catch (const std::bad_alloc&) {
    return fail(kRuntimeError, "out of memory",
                "make the batch smaller, use fewer threads, or free some memory");
  } catch (const std::system_error& e) {  // files and threads: the system refused
    return fail(kRuntimeError, e.what(), default_hint(app, ErrorKind::runtime));
  } catch (const std::exception& e) {
    return fail(
        kRuntimeError, std::string("internal error: ") + e.what(),
        "this is a bug in unfold; please report it with the command line and what 'unfold doctor' prints");
  }
}

}  // namespace
}  // namespace unfold::cli

int main(int argc, char** argv) {
  using namespace unfold::cli;
  std::setlocale(LC_CTYPE, "");   // the encoding only: numbers keep their decimal point
  std::signal(SIGPIPE, SIG_DFL);  // `unfold ... | head` ends quietly
  const int code = guarded(argc, argv);
  errno = 0;
  if (std::cout.flush().fail() && code == kOk) {
    const std::string reason = errno ? std::strerror(errno) : "some of it was lost";
    return fail(kRuntimeError, "cannot write to standard output: " + reason, "is the disk full?");
  }
  return code;
}
