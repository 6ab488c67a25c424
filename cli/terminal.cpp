#include "cli/terminal.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

namespace unfold::cli {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

bool utf8_terminal() {
  const std::string_view codeset = nl_langinfo(CODESET);
  return codeset == "UTF-8" || codeset == "utf8";
}

int terminal_width() {
  constexpr long kLeast = 20, kDefault = 80, kMost = 10000;
  if (const long columns = std::strtol(std::string(environment("COLUMNS")).c_str(), nullptr, 10);
      columns > 0) {
    return static_cast<int>(std::clamp(columns, kLeast, kMost));
  }
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    winsize size{};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return std::max<int>(kLeast, size.ws_col);
  }
  return kDefault;
}

bool interactive(int fd) {
  const std::string_view term = environment("TERM");
  return isatty(fd) && !term.empty() && term != "dumb";
}

bool colour(int fd) {
  return interactive(fd) && environment("NO_COLOR").empty();
}

}  // namespace unfold::cli
