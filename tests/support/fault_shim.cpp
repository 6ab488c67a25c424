// Makes the n-th system call of one kind fail, or kills the process there: preload it into a program that
// writes files, and see what is left on the disk.
//
//   LD_PRELOAD=libfault_shim.so UNFOLD_FAULT_DIR=/tmp/run UNFOLD_FAULT=OP:N:ACTION program ...
//
//   OP      open    opens for writing (a directory or a file opened for reading is not counted)
//           write   write, pwrite, writev
//           fsync   fsync, fdatasync
//           rename  counted if either name is under the directory
//           close   of a file opened for writing; a failing close has closed the file all the same
//   N       1 is the first such call of the process, all threads together
//   ACTION  fail    the call returns -1: ENOSPC for open and write, EIO for the others
//           kill    SIGKILL before the call is made
//           short   write only: half of the bytes are written, then SIGKILL
//
// Only files under UNFOLD_FAULT_DIR (an absolute path) are counted. When the fault strikes, the file named by
// UNFOLD_FAULT_MARK, if set, is created: a loop over N = 1, 2, 3, ... ends when the mark stays away.
//
// Reads are never disturbed, nor are calls that do not pass through the C library's symbols: stdio's (fopen,
// fwrite), so neither std::ofstream's opening. Children inherit the environment and count for themselves.
// tests/support/fault_run.h runs a program this way. With AddressSanitizer set
// ASAN_OPTIONS=verify_asan_link_order=0.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

enum class Action { none, fail, kill, partial };

struct Fault {
  std::string op, directory;
  long n = 0;
  Action action = Action::none;
  std::atomic<long> seen{0};

  Fault() {
    const char* text = std::getenv("UNFOLD_FAULT");
    const char* under = std::getenv("UNFOLD_FAULT_DIR");
    if (!text || !under) return;
    directory = under;
    const std::string fault = text;
    const size_t first = fault.find(':'), second = fault.find(':', first + 1);
    if (second == fault.npos) std::abort();  // a test that asks for nothing must not pass
    op = fault.substr(0, first);
    n = std::atol(fault.c_str() + first + 1);
    const std::string name = fault.substr(second + 1);
    action = name == "fail"    ? Action::fail
             : name == "kill"  ? Action::kill
             : name == "short" ? Action::partial
                               : Action::none;
    if (action == Action::none || n < 1) std::abort();
  }
};

Fault& fault() {
  static Fault the_fault;
  return the_fault;
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

bool inside(const char* path) {
  const std::string& directory = fault().directory;
  if (directory.empty()) return false;
  std::string absolute = path;
  if (path[0] != '/') {
    char here[PATH_MAX];
    if (!::getcwd(here, sizeof here)) return false;
    absolute = std::string(here) + "/" + path;
  }
  return absolute.compare(0, directory.size(), directory) == 0 &&
         (absolute.size() == directory.size() || absolute[directory.size()] == '/');
}

bool inside(int fd) {
  if (fault().directory.empty()) return false;
  char path[PATH_MAX];
  const ssize_t size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path - 1);
  if (size <= 0) return false;
  path[size] = '\0';
  return inside(path);
}

/// What is to happen to this call, which is one of `op` under the directory. `kill` does not return.
Action strike(const char* op) {
  Fault& f = fault();
  if (f.op != op || ++f.seen != f.n) return Action::none;
  if (const char* mark = std::getenv("UNFOLD_FAULT_MARK")) {
    const long fd = ::syscall(SYS_openat, AT_FDCWD, mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0) ::syscall(SYS_close, fd);
  }
  if (f.action == Action::kill) die();
  return f.action;
}

bool fails(const char* op, int error) {
  if (strike(op) != Action::fail) return false;
  errno = error;
  return true;
}

bool writes(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0;
}

int open_with(const char* name, int directory, const char* path, int flags, mode_t mode) {
  if (writes(flags) && inside(path) && fails("open", ENOSPC)) return -1;
  return next<int(int, const char*, int, ...)>(name)(directory, path, flags, mode);
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(arguments, unsigned)) : 0;
}

/// Disturbs one write; true if it was answered with an error.
bool disturbed(int fd, const void* data, size_t size) {
  if (!inside(fd)) return false;
  const Action action = strike("write");
  if (action == Action::partial) {
    ::syscall(SYS_write, fd, data, size / 2);
    die();
  }
  errno = ENOSPC;
  return action == Action::fail;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_with("openat", AT_FDCWD, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_with("openat64", AT_FDCWD, path, flags, mode);
}

int creat(const char* path, mode_t mode) {
  return open_with("openat", AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

ssize_t write(int fd, const void* data, size_t size) {
  if (disturbed(fd, data, size)) return -1;
  return next<ssize_t(int, const void*, size_t)>("write")(fd, data, size);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  if (disturbed(fd, data, size)) return -1;
  return next<ssize_t(int, const void*, size_t, off_t)>("pwrite")(fd, data, size, offset);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  if (count > 0 && disturbed(fd, parts[0].iov_base, parts[0].iov_len)) return -1;
  return next<ssize_t(int, const iovec*, int)>("writev")(fd, parts, count);
}

int fsync(int fd) {
  if (inside(fd) && fails("fsync", EIO)) return -1;
  return next<int(int)>("fsync")(fd);
}

int fdatasync(int fd) {
  if (inside(fd) && fails("fsync", EIO)) return -1;
  return next<int(int)>("fdatasync")(fd);
}

int rename(const char* from, const char* to) {
  if ((inside(from) || inside(to)) && fails("rename", EIO)) return -1;
  return next<int(const char*, const char*)>("rename")(from, to);
}

int close(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  const bool hit = flags >= 0 && writes(flags) && inside(fd) && fails("close", EIO);
  const int result = next<int(int)>("close")(fd);
  if (!hit) return result;
  errno = EIO;
  return -1;
}

}  // extern "C"
