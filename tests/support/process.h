// Runs a program as a user would: arguments, environment, standard input in; exit code and both outputs back.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::test {

struct ProcessResult {
  int code = -1;         ///< exit code; 128 + signal if a signal ended it
  std::string out, err;  ///< all of stdout and stderr
};

/// Runs argv[0] (looked up in PATH) and waits for its end. `env` is added to the environment of the test:
/// "NAME=VALUE" sets, "NAME" alone removes. The outputs are pipes, no terminals. After `seconds` the program
/// is killed (code 137). Throws std::runtime_error if it cannot be started.
inline ProcessResult run(const std::vector<std::string>& argv, const std::vector<std::string>& env = {},
                         std::string_view input = "", int seconds = 300) {
  const auto must = [](bool ok) {
    if (!ok) throw std::runtime_error("cannot run a program");
  };
  std::array<int, 2> in{}, out{}, err{};
  for (auto* ends : {&in, &out, &err}) must(pipe2(ends->data(), O_CLOEXEC) == 0);
  const pid_t pid = fork();
  must(pid >= 0);
  if (pid == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    for (const std::string& variable : env) {
      const size_t equals = variable.find('=');
      if (equals == std::string::npos) {
        unsetenv(variable.c_str());
      } else {
        setenv(variable.substr(0, equals).c_str(), variable.c_str() + equals + 1, 1);
      }
    }
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execvp(words[0], words.data());
    _exit(127);
  }
  for (const int end : {in[0], out[1], err[1]}) close(end);
  // A program that does not read its input must not end the test by SIGPIPE.
  const auto old = signal(SIGPIPE, SIG_IGN);
  fcntl(in[1], F_SETFL, O_NONBLOCK);

  ProcessResult result;
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::seconds(seconds);
  std::array<pollfd, 3> ends = {pollfd{in[1], POLLOUT, 0}, pollfd{out[0], POLLIN, 0},
                                pollfd{err[0], POLLIN, 0}};
  const auto finish = [](pollfd& end) {
    close(end.fd);
    end.fd = -1;  // poll leaves it out
  };
  bool killed = false;
  while (ends[1].fd >= 0 || ends[2].fd >= 0) {
    if (input.empty() && ends[0].fd >= 0) finish(ends[0]);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0 && !killed) {
      kill(pid, SIGKILL);
      killed = true;
    }
    poll(ends.data(), ends.size(), killed ? 1000 : static_cast<int>(left));
    if (ends[0].fd >= 0 && ends[0].revents != 0) {
      const ssize_t count = write(ends[0].fd, input.data(), input.size());
      if (count > 0) input.remove_prefix(static_cast<size_t>(count));
      if (count < 0 && errno != EAGAIN) input = "";
    }
    for (const size_t which : {1, 2}) {
      if (ends[which].fd < 0 || ends[which].revents == 0) continue;
      std::array<char, 65536> bytes;
      const ssize_t count = read(ends[which].fd, bytes.data(), bytes.size());
      if (count > 0) (which == 1 ? result.out : result.err).append(bytes.data(), static_cast<size_t>(count));
      if (count == 0 || (count < 0 && errno != EINTR)) finish(ends[which]);
    }
  }
  if (ends[0].fd >= 0) finish(ends[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  signal(SIGPIPE, old);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

/// The lines of a text, without their newlines.
inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace unfold::test
