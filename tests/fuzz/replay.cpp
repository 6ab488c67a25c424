// Runs a fuzzer's function over the files of a folder, without libFuzzer, and measures: at most a second a
// MB, and 64 MB plus four times the file. For data that are packed, the file is what they unpack to; its
// name then says so: "unpacks-to-N-...".
//
//   npy_replay tests/fuzz/corpus/npy [FOLDER...]
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kMeasures = false;
#elif defined(__has_feature)
constexpr bool kMeasures = !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
constexpr bool kMeasures = true;
#endif

/// A line of /proc/self/status, in bytes.
double status(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":")) return 1024 * std::stod(line.substr(name.size() + 1));
  }
  return 0;
}

/// Forgets how much memory the process ever had.
bool reset_peak() {
  malloc_trim(0);
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

double unpacked(const fs::path& path, size_t size) {
  const std::string name = path.filename().string(), prefix = "unpacks-to-";
  return name.starts_with(prefix) ? std::stod(name.substr(prefix.size())) : static_cast<double>(size);
}

}  // namespace

int main(int argc, char** argv) {
  constexpr double kFree = 64e6, kTimes = 4;
  int files = 0, bad = 0;
  double slowest = 0, largest = 0;
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) continue;
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(argv[i])) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    for (const fs::path& path : paths) {
      if (!fs::is_regular_file(path)) continue;
      std::ifstream file(path, std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      const bool measured = kMeasures && reset_peak();
      const double before = status("VmRSS");
      const auto start = std::chrono::steady_clock::now();
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      const double grown = measured ? status("VmHWM") - before : 0, size = unpacked(path, bytes.size());
      ++files;
      slowest = std::max(slowest, seconds), largest = std::max(largest, grown);
      if (kMeasures && (!(grown <= kFree + kTimes * size) || !(seconds <= 1 + size / 1e6))) {
        ++bad;
        std::printf("%s: %.2f s, %.1f MB for %.3f MB\n", path.c_str(), seconds, grown / 1e6, size / 1e6);
      }
    }
  }
  std::printf("%d files, at most %.3f s and %.1f MB more, %d beyond the limits\n", files, slowest,
              largest / 1e6, bad);
  return files > 0 && bad == 0 ? 0 : 1;
}
