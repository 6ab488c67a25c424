// Runs a program with the fault shim in front of the C library (see fault_shim.cpp), and says how it ended.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

/// How a program ended and what it said.
struct FaultRun {
  int exit_code = -1;   ///< -1 if a signal ended it
  int signal = 0;       ///< the signal that ended it, or 0
  bool struck = false;  ///< the fault came to pass
  std::string output;   ///< standard output and error
};

/// Runs `command` (the program's path and its arguments) with UNFOLD_FAULT=`fault`, counted under
/// `directory`; with an empty `fault` nothing is preloaded. `shim` is the path of the shared library.
inline FaultRun run_with_fault(const std::string& shim, const std::filesystem::path& directory,
                               const std::string& fault, const std::vector<std::string>& command) {
  const std::string base =
      (std::filesystem::temp_directory_path() / "unfold-fault-").string() + std::to_string(::getpid());
  const std::string mark = base + ".mark", log = base + ".log";
  std::filesystem::remove(mark);

  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    if (!fault.empty()) {
      const char* sanitizer = ::getenv("ASAN_OPTIONS");
      const std::string options =
          (sanitizer ? std::string(sanitizer) + ":" : "") + "verify_asan_link_order=0";
      ::setenv("ASAN_OPTIONS", options.c_str(), 1);
      ::setenv("UNFOLD_FAULT", fault.c_str(), 1);
      ::setenv("UNFOLD_FAULT_DIR", std::filesystem::canonical(directory).c_str(), 1);
      ::setenv("UNFOLD_FAULT_MARK", mark.c_str(), 1);
      ::setenv("LD_PRELOAD", shim.c_str(), 1);
    }
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  FaultRun run;
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return run;
  if (WIFEXITED(status)) run.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) run.signal = WTERMSIG(status);
  run.struck = std::filesystem::exists(mark);
  std::ifstream text(log);
  run.output.assign(std::istreambuf_iterator<char>(text), {});
  std::filesystem::remove(mark);
  std::filesystem::remove(log);
  return run;
}
