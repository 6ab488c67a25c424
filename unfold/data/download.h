// Fetches one file with the curl tool: HTTPS, proxies and certificates as the user has set them up for curl.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace unfold {

struct DownloadLimits {
  uint64_t bytes = 0;      ///< a longer file is given up
  int stall_seconds = 15;  ///< given up after this long below 1 KiB/s; also the time allowed for connecting
};

/// Fetches `url` into the file `part`, going on where an earlier attempt ended; a cut connection is resumed
/// up to five times, each time only if something had arrived. Only https, or http from this very machine.
/// `arrived` is told the size of the file as it grows. Returns nothing on success, else why not; what has
/// arrived then stays in `part`.
std::string download(const std::string& url, const std::filesystem::path& part, const DownloadLimits& limits,
                     const std::function<void(uint64_t)>& arrived);

}  // namespace unfold
