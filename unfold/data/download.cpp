#include "unfold/data/download.h"

#include "unfold/data/tool.h"

namespace unfold {
namespace {

// Exit codes of curl.
constexpr int kCut = 18;        // fewer bytes than announced
constexpr int kHttpError = 22;  // 400 and above
constexpr int kNoRanges = 33;
constexpr int kReceiveFailed = 56;

uint64_t size_of(const std::filesystem::path& path) {
  std::error_code code;
  const auto size = std::filesystem::file_size(path, code);
  return code ? 0 : size;
}

bool begins_with_any(const std::string& url, std::initializer_list<const char*> heads) {
  for (const std::string head : heads) {
    if (url.starts_with(head)) return true;
  }
  return false;
}

/// "curl: (22) The requested URL returned error: 403" without its head.
std::string reason(const ToolResult& result) {
  std::string line = result.last_line();
  if (line.starts_with("curl: (")) line.erase(0, line.find(") ") + 2);
  return line.empty() ? "curl ended with exit code " + std::to_string(result.exit_code) : line;
}

}  // namespace

std::string download(const std::string& url, const std::filesystem::path& part, const DownloadLimits& limits,
                     const std::function<void(uint64_t)>& arrived) {
  const bool here =
      begins_with_any(url, {"http://127.0.0.1:", "http://127.0.0.1/",
                            "http://localhost:", "http://localhost/", "http://[::1]:", "http://[::1]/"});
  if (!here && !url.starts_with("https://")) return "only https addresses are fetched";
  const std::string seconds = std::to_string(limits.stall_seconds);
  const std::vector<std::string> command = {"curl",
                                            "--fail",
                                            "--location",
                                            "--silent",
                                            "--show-error",
                                            "--proto",
                                            here ? "=http" : "=https",
                                            "--max-redirs",
                                            "5",
                                            "--connect-timeout",
                                            seconds,
                                            "--speed-limit",
                                            "1024",
                                            "--speed-time",
                                            seconds,
                                            "--continue-at",
                                            "-",
                                            "--output",
                                            std::filesystem::absolute(part).string(),
                                            "--",
                                            url};
  for (int resumed = 0;; ++resumed) {
    const uint64_t before = size_of(part);
    const ToolResult result = run_tool(command, ".", [&] {
      const uint64_t now = size_of(part);
      arrived(now);
      return now <= limits.bytes;
    });
    const uint64_t now = size_of(part);
    if (!result.found) return "there is no curl tool here";
    if (result.stopped || now > limits.bytes) return "it sent more than the file can have";
    if (result.ok()) {
      arrived(now);
      return "";
    }
    const bool cut = result.exit_code == kCut || result.exit_code == kReceiveFailed;
    const bool no_resume =
        result.exit_code == kNoRanges || (result.exit_code == kHttpError && reason(result).ends_with(" 416"));
    if (no_resume && before > 0 && resumed < 5) {
      std::filesystem::remove(part);  // this server cannot go on from there: from the beginning
    } else if (!cut || now <= before || resumed == 5) {
      return reason(result);
    }
  }
}

}  // namespace unfold
