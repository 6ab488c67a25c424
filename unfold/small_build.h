// Builds that must be small: see UNFOLD_SMALL in unfold/CMakeLists.txt.
#pragma once

namespace unfold {

/// Whether the library was built for inference in a few hundred kilobytes: kernels for single images alone,
/// no training, no networks known by name.
#ifdef UNFOLD_SMALL
inline constexpr bool kSmallBuild = true;
#else
inline constexpr bool kSmallBuild = false;
#endif

}  // namespace unfold
