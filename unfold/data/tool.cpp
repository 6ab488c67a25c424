#include "unfold/data/tool.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <cerrno>
#include <cstring>

#include "unfold/error.h"

extern char** environ;

namespace unfold {
namespace {

/// The started program; ends it if the scope is left while it still runs.
struct Child {
  pid_t pid = -1;
  int pipe_end = -1;
  int status = 0;

  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    stop();
    if (pipe_end >= 0) ::close(pipe_end);
  }
  bool running() {
    if (pid >= 0 && ::waitpid(pid, &status, WNOHANG) != 0) pid = -1;
    return pid >= 0;
  }
  void stop() {
    if (pid < 0) return;
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    pid = -1;
  }
};

/// posix_spawn, not fork: the caller may have threads. Returns what errno would say.
int start(const std::vector<std::string>& command, const std::filesystem::path& directory, Child& child) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno;
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  child.pipe_end = ends[0];

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  ::posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  posix_spawnattr_t
      attributes;  // Ctrl-C ends the program even where the caller handles or ignores the signal
  ::posix_spawnattr_init(&attributes);
  sigset_t set;
  ::sigemptyset(&set);
  ::posix_spawnattr_setsigmask(&attributes, &set);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) ::sigaddset(&set, signal);
  ::posix_spawnattr_setsigdefault(&attributes, &set);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const int failed =
      ::posix_spawnp(&child.pid, arguments[0], &actions, &attributes, arguments.data(), environ);
  if (failed != 0) child.pid = -1;
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  return failed;
}

/// Takes what the program has printed so far; false at the end of it. At most 1 MiB a call: who prints
/// without end shall not keep the caller from its clock.
bool drain(int pipe_end, std::string& output, size_t kept) {
  char piece[4096];
  for (int pieces = 0; pieces < 256; ++pieces) {
    const ssize_t n = ::read(pipe_end, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0;
    output.append(piece, static_cast<size_t>(n));
    if (output.size() > kept) output.erase(0, output.size() - kept);
  }
  return true;
}

}  // namespace

std::string ToolResult::last_line() const {
  const size_t end = output.find_last_not_of(" \r\n\t");
  if (end == std::string::npos) return "";
  const size_t newline = output.find_last_of("\r\n", end);
  const size_t begin = newline == std::string::npos ? 0 : newline + 1;
  return output.substr(begin, end + 1 - begin);
}

ToolResult run_tool(const std::vector<std::string>& command, const std::filesystem::path& directory,
                    const std::function<bool()>& tick, size_t kept) {
  ToolResult result;
  Child child;
  if (const int failed = start(command, directory, child); failed != 0) {
    result.found = false;
    result.output = std::strerror(failed);
    return result;
  }
  bool open = true;
  while (child.running()) {
    pollfd waiting{open ? child.pipe_end : -1, POLLIN, 0};
    ::poll(&waiting, 1, 100);
    if (open) open = drain(child.pipe_end, result.output, kept);
    if (!tick()) {
      result.stopped = true;
      child.stop();
    }
  }
  if (open) drain(child.pipe_end, result.output, kept);
  if (WIFEXITED(child.status)) result.exit_code = WEXITSTATUS(child.status);
  if (WIFSIGNALED(child.status)) result.signal = WTERMSIG(child.status);
  if (result.signal == SIGINT) {
    throw Error(ErrorKind::runtime, "interrupted")
        .where(command[0])
        .hint("run it again: what has arrived so far is kept");
  }
  return result;
}

}  // namespace unfold
