// How this program was built and which vector instructions it will use.
#pragma once

#include <string>
#include <vector>

namespace unfold::cli {

struct BuildInfo {
  std::string version;     ///< "0.1.0"
  std::string revision;    ///< commit, "-dirty" if the tree had changes; "" if not known
  std::string compiler;    ///< "g++ 12.2.0"
  std::string build_type;  ///< CMake's: "Release"
  bool optimised;
  std::string sanitizer;             ///< "" or the sanitizer it was built with
  std::string highway;               ///< "1.0.3"
  std::string simd;                  ///< the instruction set in use: "AVX2"
  std::vector<std::string> targets;  ///< every set this program has code for and this CPU can run, best first
};

BuildInfo build_info();

/// The text of --version.
std::string version_text();

}  // namespace unfold::cli
