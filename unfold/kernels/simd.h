// What every file with vector code includes first. Sizeless vectors cannot sit in the arrays that hold an
// accumulator tile, so Highway's SVE and RVV targets are left out (NEON serves ARM).
#pragma once

#ifdef UNFOLD_SMALL
// Each target is another copy of every kernel. AVX-512 is worth little to single images of small networks.
#define HWY_DISABLED_TARGETS \
  (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV | HWY_SSSE3 | HWY_AVX3 | HWY_AVX3_DL)
#else
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif

namespace unfold {

/// Hides where a pointer comes from. Of one pointer GCC makes all the offsets that a loop adds to it, more
/// than registers hold, and keeps some in vector registers, whose way back takes an FMA's port.
template <class T>
inline __attribute__((always_inline)) void opaque([[maybe_unused]] T*& p) {
#if defined(__GNUC__) && !defined(__clang__)
  asm("" : "+r"(p));
#endif
}

}  // namespace unfold
