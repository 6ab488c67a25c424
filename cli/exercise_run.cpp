#include "cli/exercise_run.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "cli/exercise_files.h"
#include "unfold/data/tool.h"
#include "unfold/files.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;

volatile std::sig_atomic_t stop_asked = 0;

/// While it lives Ctrl-C and SIGTERM are noted and end nothing, so that nothing is left behind.
class NoteSignals {
 public:
  NoteSignals() {
    stop_asked = 0;
    for (size_t k = 0; k < 2; ++k) old_[k] = std::signal(kSignals[k], [](int) { stop_asked = 1; });
  }
  NoteSignals(const NoteSignals&) = delete;
  NoteSignals& operator=(const NoteSignals&) = delete;
  ~NoteSignals() {
    for (size_t k = 0; k < 2; ++k) std::signal(kSignals[k], old_[k]);
  }

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM};
  void (*old_[2])(int);
};

struct Interrupted {};

/// A new folder that is gone at the end of the scope.
class WorkFolder {
 public:
  WorkFolder() {
    std::string name = (fs::temp_directory_path() / "unfold-exercise-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw Error(ErrorKind::runtime, "cannot make a temporary folder: " + std::string(std::strerror(errno)))
          .where(name)
          .hint("name a folder that can be written: TMPDIR=FOLDER unfold exercise ...");
    }
    path = name;
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

/// Runs a program for at most `seconds`; throws Interrupted on Ctrl-C.
ToolResult run_within(const std::vector<std::string>& command, const fs::path& directory, int seconds) {
  constexpr size_t kKept = 1 << 20;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  try {
    ToolResult result = run_tool(
        command, directory, [&] { return !stop_asked && std::chrono::steady_clock::now() < end; }, kKept);
    if (stop_asked) throw Interrupted();
    return result;
  } catch (const Error&) {
    if (stop_asked) throw Interrupted();
    throw;
  }
}

class Compiler {
 public:
  /// Throws runtime if there is none.
  Compiler() {
    const char* named = std::getenv("CXX");
    if (named && *named) {
      std::istringstream words(named);  // CXX="ccache g++" is two words
      for (std::string word; words >> word;) words_.push_back(word);
      if (!words_.empty() && there()) return;
      throw Error(ErrorKind::runtime, "this compiler cannot be started")
          .where("the environment's CXX")
          .got(named)
          .hint("set CXX to a C++ compiler, or remove it: env -u CXX unfold exercise ...");
    }
    for (const char* name : {"c++", "g++", "clang++"}) {
      words_ = {name};
      if (there()) return;
    }
    throw Error(ErrorKind::runtime, "there is no C++ compiler here (looked for c++, g++, clang++)")
        .hint(
            "install one, on Debian or Ubuntu 'apt install g++', or say where one is: CXX=/opt/gcc/bin/g++ "
            "unfold "
            "exercise ...");
  }

  /// Compiles the student's file and the runner to `program`.
  ToolResult compile(const Exercise& exercise, const fs::path& file, const fs::path& folder,
                     const std::string& program, const std::vector<std::string>& more) const {
    std::vector<std::string> command = words_;
    for (const char* flag : {"-x", "c++", "-std=c++20", "-O0", "-g", "-Wall", "-fdiagnostics-color=never",
                             "-D_GLIBCXX_ASSERTIONS"})
      command.emplace_back(flag);
    command.push_back("-DUNFOLD_EXERCISE=" + std::to_string(exercise.number));
    command.emplace_back("-Dmain=unfold_students_main");  // a student may keep one to try things
    command.insert(command.end(), more.begin(), more.end());
    command.push_back(fs::absolute(file).string());
    command.push_back((folder / "runner.cpp").string());
    command.emplace_back("-o");
    command.push_back((folder / program).string());
    constexpr int kCompileSeconds = 120;
    return run_within(command, ".", kCompileSeconds);
  }

 private:
  bool there() const {
    std::vector<std::string> command = words_;
    command.emplace_back("--version");
    return run_within(command, ".", 60).found;
  }
  std::vector<std::string> words_;
};

template <class T>
void put(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// The cases as runner.cpp reads them.
std::string cases_file(const std::vector<ExerciseCase>& cases) {
  std::string bytes;
  put(bytes, static_cast<int32_t>(cases.size()));
  for (const ExerciseCase& one : cases) {
    put(bytes, one.sizes);
    put(bytes, static_cast<int32_t>(one.in.size()));
    for (const auto& values : one.in) {
      put(bytes, static_cast<int32_t>(values.size()));
      for (const double value : values) put(bytes, value);
    }
  }
  return bytes;
}

/// Takes values from the front of the bytes; a file may end anywhere, where its writer ended.
struct Reader {
  std::span<const std::byte> bytes;
  bool good = true;

  template <class T>
  T take() {
    T value{};
    good = good && bytes.size() >= sizeof value;
    if (!good) return value;
    std::memcpy(&value, bytes.data(), sizeof value);
    bytes = bytes.subspan(sizeof value);
    return value;
  }
};

/// The answers of the cases that came to an end, as runner.cpp writes them.
std::vector<Vectors> read_answers(const fs::path& path, const Exercise& exercise, size_t cases) {
  std::vector<Vectors> answers;
  if (!fs::exists(path)) return answers;
  const std::vector<std::byte> bytes = read_file(path, ErrorKind::runtime);
  Reader reader{bytes};
  constexpr int64_t kMost = 1'000'000;  // of a vector are written
  while (answers.size() < cases) {
    Vectors one(exercise.results.size());
    reader.good = reader.take<int32_t>() == std::ssize(one) && reader.good;
    for (auto& values : one) {
      const auto length = reader.take<int64_t>();
      const int64_t written = std::clamp<int64_t>(length, 0, kMost);
      if (!reader.good || reader.bytes.size() / sizeof(double) < static_cast<size_t>(written)) return answers;
      values.resize(static_cast<size_t>(written));
      for (double& value : values) value = reader.take<double>();
    }
    if (!reader.good) return answers;
    answers.push_back(std::move(one));
  }
  return answers;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; !from.empty() && (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// The line behind the first "FILE:" of a sanitizer's report; 0 if there is none.
int first_line(const std::string& report, const fs::path& file) {
  const std::string name = fs::absolute(file).string() + ":";
  const size_t at = report.find(name);
  return at == std::string::npos ? 0 : std::atoi(report.c_str() + at + name.size());
}

/// Runs the crash again under the sanitizers, where they are installed, to hear its line.
int line_of_crash(const Compiler& compiler, const Exercise& exercise, const fs::path& file,
                  const fs::path& folder, int seconds) {
  const ToolResult built = compiler.compile(exercise, file, folder, "watched",
                                            {"-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                                             "-fno-omit-frame-pointer", "-DUNFOLD_SANITIZED"});
  if (!built.ok()) return 0;
  ::setenv("ASAN_OPTIONS", "handle_abort=1:handle_sigfpe=1:detect_leaks=0:color=never", 1);
  const ToolResult run = run_within(
      {(folder / "watched").string(), "cases", "watched_answers", std::to_string(seconds)}, folder, seconds);
  return run.ok() ? 0 : first_line(run.output, file);
}

ExerciseRun run_in(const fs::path& folder, const Exercise& exercise, const fs::path& file,
                   const std::vector<ExerciseCase>& cases, int seconds) {
  const Compiler compiler;
  for (const EmbeddedFile& embedded : exercise_files()) {
    if (embedded.name == "runner.cpp") write_file(folder / embedded.name, embedded.text);
  }
  write_file(folder / "cases", cases_file(cases));
  ExerciseRun result;
  const ToolResult built = compiler.compile(exercise, file, folder, "run", {});
  result.compiler = replaced(built.output, fs::absolute(file).string(), file.string());
  if (built.stopped) result.compiler += "the compiler took more than two minutes\n";
  if (!built.ok()) {
    result.end = ExerciseRun::End::not_compiled;
    return result;
  }
  const ToolResult run =
      run_within({(folder / "run").string(), "cases", "answers", std::to_string(seconds)}, folder, seconds);
  if (!run.found) {
    throw Error(ErrorKind::runtime, "the compiled program cannot be started: " + run.output)
        .where(folder.string())
        .hint("may programs be run from there? Name another folder: TMPDIR=FOLDER unfold exercise ...");
  }
  result.printed = run.output;
  result.answers = read_answers(folder / "answers", exercise, cases.size());
  if (run.stopped || run.signal == SIGXCPU) {
    result.end = ExerciseRun::End::too_long;
  } else if (run.signal != 0) {
    result.end = ExerciseRun::End::crashed;
    result.signal = run.signal;
    result.line = line_of_crash(compiler, exercise, file, folder, seconds);
  } else if (run.exit_code == 3 && result.answers.size() < cases.size()) {
    result.end = ExerciseRun::End::threw;
    result.exception = run.last_line();
  } else if (result.answers.size() < cases.size()) {
    result.end = ExerciseRun::End::left;
  }
  return result;
}

}  // namespace

ExerciseRun run_exercise_file(const Exercise& exercise, const fs::path& file,
                              const std::vector<ExerciseCase>& cases, int seconds) {
  const NoteSignals noted;
  try {
    const WorkFolder folder;
    return run_in(folder.path, exercise, file, cases, seconds);
  } catch (const Interrupted&) {
    ExerciseRun result;
    result.end = ExerciseRun::End::interrupted;
    return result;
  }
}

std::string signal_name(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV, memory that is not its own";
    case SIGBUS:
      return "SIGBUS, memory that is not there";
    case SIGABRT:
      return "SIGABRT, it was aborted";
    case SIGFPE:
      return "SIGFPE, a whole number divided by zero";
    case SIGILL:
      return "SIGILL, an instruction that does not exist";
    case SIGKILL:
      return "SIGKILL, the system ended it";
    case SIGXFSZ:
      return "SIGXFSZ, a file that grew too large";
    default:
      return "signal " + std::to_string(signal) + ", " + strsignal(signal);
  }
}

}  // namespace unfold::cli
