// What the tests of training runs share: a small data set on disk, the program, and a run that is stopped.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/data_files.h"
#include "tests/support/process.h"
#include "unfold/data/source.h"
#include "unfold/data/strokes.h"

namespace unfold::test {

namespace fs = std::filesystem;

inline ProcessResult unfold_program(std::vector<std::string> arguments,
                                    const std::vector<std::string>& env = {}) {
  arguments.insert(arguments.begin(), UNFOLD_PROGRAM);
  return run(arguments, env);
}

/// A folder "digits" with the four IDX files, small enough that an epoch takes a fraction of a second.
inline std::string small_data(const fs::path& folder, int64_t train = 240, int64_t test = 40) {
  const fs::path directory = folder / "digits";
  write_directory(make_strokes(5, train, test), directory);
  return directory.string();
}

inline std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Starts the program with its output thrown away, sends `signal` once `now` says so (asked every 0.2 ms),
/// and returns how it ended: the exit code, or 128 + signal.
inline int stop_program(std::vector<std::string> arguments, int signal, const std::function<bool()>& now) {
  arguments.insert(arguments.begin(), UNFOLD_PROGRAM);
  const pid_t child = fork();
  if (child == 0) {
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    std::vector<char*> words;
    for (std::string& word : arguments) words.push_back(word.data());
    words.push_back(nullptr);
    execv(words[0], words.data());
    _exit(127);
  }
  int status = 0;
  bool sent = false;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (!sent && now()) {
      kill(child, signal);
      sent = true;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace unfold::test
