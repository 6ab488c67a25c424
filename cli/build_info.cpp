#include "cli/build_info.h"

#include "unfold/kernels/simd.h"  // before Highway

#include <hwy/highway.h>

#include "revision.h"  // made by revision.cmake
#include "unfold/kernels/gemm.h"
#include "unfold/version.h"

namespace unfold::cli {
namespace {

std::string compiler() {
#if defined(__clang__)
  return "clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__) + "." +
         std::to_string(__clang_patchlevel__);
#elif defined(__GNUC__)
  return "g++ " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__) + "." +
         std::to_string(__GNUC_PATCHLEVEL__);
#else
  return "unknown";
#endif
}

// g++ says __SANITIZE_x__, clang __has_feature(x_sanitizer).
#ifndef __has_feature
#define __has_feature(x) 0
#endif

std::string sanitizer() {
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
  return "address";
#elif defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
  return "thread";
#else
  return "";
#endif
}

}  // namespace

BuildInfo build_info() {
  BuildInfo info;
  info.version = kVersion;
  info.revision = UNFOLD_REVISION;
  info.compiler = compiler();
  info.build_type = UNFOLD_BUILD_TYPE;
#ifdef __OPTIMIZE__
  info.optimised = true;
#else
  info.optimised = false;
#endif
  info.sanitizer = sanitizer();
  info.highway =
      std::to_string(HWY_MAJOR) + "." + std::to_string(HWY_MINOR) + "." + std::to_string(HWY_PATCH);
  // Supported alone is not enough: Highway lists sets that this compiler made no code for.
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    info.targets.emplace_back(hwy::TargetName(target));
  }
  info.simd = gemm_target();
  return info;
}

std::string version_text() {
  const BuildInfo info = build_info();
  std::string line = "unfold " + info.version;
  if (!info.revision.empty()) line += " (" + info.revision + ")";
  line += "\n" + info.compiler;
  if (!info.build_type.empty()) line += ", " + info.build_type;
  if (!info.sanitizer.empty()) line += ", " + info.sanitizer + " sanitizer";
  return line + "\nHighway " + info.highway + ", " + info.simd;
}

}  // namespace unfold::cli
