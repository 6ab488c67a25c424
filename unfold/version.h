// The version of the library. The build reads it from here, so that it is written down once.
#pragma once

#define UNFOLD_VERSION_MAJOR 0
#define UNFOLD_VERSION_MINOR 1
#define UNFOLD_VERSION_PATCH 0
#define UNFOLD_VERSION_STRING "0.1.0"

namespace unfold {

/// "MAJOR.MINOR.PATCH" of the headers a program was compiled with.
inline constexpr const char* kVersion = UNFOLD_VERSION_STRING;

}  // namespace unfold
