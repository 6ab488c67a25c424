// Runs a program of the system (curl, npm): found on PATH, given its arguments one by one, never through a
// shell.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace unfold {

struct ToolResult {
  bool found = true;     ///< false: there is no such program
  bool stopped = false;  ///< `tick` asked for the end
  int exit_code = -1;    ///< -1 if it did not exit by itself
  int signal = 0;        ///< what ended it if it did not
  std::string output;    ///< the end of what it printed (standard output and error together)
  bool ok() const { return found && !stopped && exit_code == 0; }
  std::string last_line() const;  ///< the last line of the output that is not blank
};

/// Runs `command` in `directory` with nothing to read from, and waits. About ten times a second `tick` is
/// called; false ends the program. Of what it prints the last `kept` bytes are kept. Throws runtime if the
/// program was ended by the user's Ctrl-C. If `tick` throws, the program is ended first.
ToolResult run_tool(const std::vector<std::string>& command, const std::filesystem::path& directory,
                    const std::function<bool()>& tick, size_t kept = 4096);

}  // namespace unfold
