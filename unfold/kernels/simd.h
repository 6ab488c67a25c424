// What every file with vector code includes first. Sizeless vectors cannot sit in the arrays that hold an
// accumulator tile, so Highway's SVE and RVV targets are left out (NEON serves ARM).
#pragma once

#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
