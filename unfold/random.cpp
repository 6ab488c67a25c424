#include "unfold/random.h"

#include <cmath>

namespace unfold {
namespace {

uint64_t mix(uint64_t x) {  // the finaliser of SplitMix64: every input bit reaches every output bit
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> c, uint64_t key) {
  auto k0 = static_cast<uint32_t>(key);
  auto k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

Random::Random(uint64_t seed, std::string_view stream, uint64_t a, uint64_t b) {
  uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a of the stream's name
  for (const char ch : stream) hash = (hash ^ static_cast<unsigned char>(ch)) * 0x100000001B3u;
  key_ = mix(mix(mix(seed) ^ hash) ^ a);
  counter_ = {0, 0, static_cast<uint32_t>(b), static_cast<uint32_t>(b >> 32)};
}

uint32_t Random::bits() {
  if (used_ == 4) {
    words_ = philox(counter_, key_);
    used_ = 0;
    if (++counter_[0] == 0) ++counter_[1];
  }
  return words_[static_cast<size_t>(used_++)];
}

double Random::uniform() {
  const uint64_t high = bits() >> 5;  // 27 bits
  const uint64_t low = bits() >> 6;   // 26 bits
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

int64_t Random::below(int64_t bound) {  // Lemire's multiply and reject
  const auto range = static_cast<uint64_t>(bound);
  const uint64_t reject = (uint64_t{1} << 32) % range;
  while (true) {
    const uint64_t product = uint64_t{bits()} * range;
    if ((product & 0xFFFFFFFFu) >= reject) return static_cast<int64_t>(product >> 32);
  }
}

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  const double angle = 2 * 3.14159265358979323846 * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

}  // namespace unfold
