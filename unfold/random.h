// Counter-based random numbers: the value depends on (seed, stream, counters) and on nothing else, so any
// thread can draw any sample's numbers in any order and a resumed run draws the same ones.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace unfold {

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
/// Returns four independent 32-bit words for a 128-bit counter under a 64-bit key.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, uint64_t key);

/// One named sequence of random numbers, e.g. Random(seed, "shuffle", epoch) or Random(seed, "init", 0) ...
/// A value type: copying it copies its place in the sequence.
class Random {
 public:
  /// `stream` names the use ("shuffle", "augment.shift", "conv1.weight"); `a` and `b` are free counters
  /// (epoch, sample). Different arguments give independent sequences.
  Random(uint64_t seed, std::string_view stream, uint64_t a = 0, uint64_t b = 0);

  uint32_t bits();   ///< 32 uniform bits
  double uniform();  ///< [0, 1), 53 bits
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  int64_t below(int64_t bound);  ///< 0 .. bound-1 without bias; bound in 1 .. 2^32
  double normal();               ///< mean 0, standard deviation 1 (Box and Muller)

 private:
  uint64_t key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> words_{};
  int used_ = 4;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace unfold
