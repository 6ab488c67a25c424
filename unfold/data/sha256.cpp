#include "unfold/data/sha256.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__)
#define UNFOLD_SHA_INSTRUCTIONS 1
#include <cpuid.h>
#include <immintrin.h>
#else
#define UNFOLD_SHA_INSTRUCTIONS 0
#endif

namespace unfold {
namespace {

constexpr std::array<uint32_t, 64> kRound = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#if UNFOLD_SHA_INSTRUCTIONS
/// Leaf 7: EBX bit 29, the SHA extensions; leaf 1: ECX bits 9 and 19, SSSE3 and SSE4.1.
bool has_instructions() {
  static const bool has = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 9 & 1) || !(c >> 19 & 1)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
  }();
  return has;
}

/// One block by the processor's own instructions, four rounds at a time. They hold the state as (a b e f) and
/// (c d g h). (Intel Software Developer's Manual, SHA256RNDS2, SHA256MSG1, SHA256MSG2.)
__attribute__((target("sha,ssse3,sse4.1"))) void instructed_block(uint32_t* state, const std::byte* p) {
  const auto load = [](const void* at) { return _mm_loadu_si128(static_cast<const __m128i*>(at)); };
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const __m128i badc = _mm_shuffle_epi32(load(state), 0xb1), hgfe = _mm_shuffle_epi32(load(state + 4), 0x1b);
  const __m128i start0 = _mm_alignr_epi8(badc, hgfe, 8), start1 = _mm_blend_epi16(hgfe, badc, 0xf0);
  __m128i abef = start0, cdgh = start1, w[16];
  for (int i = 0; i < 16; ++i) {
    w[i] = i < 4 ? _mm_shuffle_epi8(load(p + 16 * i), swap)
                 : _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w[i - 4], w[i - 3]),
                                                      _mm_alignr_epi8(w[i - 1], w[i - 2], 4)),
                                        w[i - 1]);
    const __m128i sum = _mm_add_epi32(w[i], load(kRound.data() + 4 * i));
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
  }
  const __m128i feba = _mm_shuffle_epi32(_mm_add_epi32(abef, start0), 0x1b),
                dchg = _mm_shuffle_epi32(_mm_add_epi32(cdgh, start1), 0xb1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#endif

class Sha256 {
 public:
  explicit Sha256(bool portable) : portable_(portable) {}

  void add(std::span<const std::byte> bytes) {
    total_ += bytes.size();
    while (!bytes.empty()) {
      if (filled_ == 0 && bytes.size() >= 64) {
        block(bytes.data());
        bytes = bytes.subspan(64);
        continue;
      }
      const size_t n = std::min(64 - filled_, bytes.size());
      std::copy_n(bytes.begin(), n, pending_.begin() + static_cast<std::ptrdiff_t>(filled_));
      filled_ += n;
      bytes = bytes.subspan(n);
      if (filled_ == 64) {
        block(pending_.data());
        filled_ = 0;
      }
    }
  }

  std::string finish() {
    const uint64_t bits = total_ * 8;
    std::array<std::byte, 72> tail{std::byte{0x80}};
    const size_t zeros = (filled_ < 56 ? 56 : 120) - filled_;  // the 0x80 included
    for (size_t i = 0; i < 8; ++i) tail[zeros + i] = static_cast<std::byte>(bits >> (56 - 8 * i));
    add(std::span(tail).first(zeros + 8));
    std::string hex;
    for (const uint32_t word : state_) {
      for (int shift = 28; shift >= 0; shift -= 4) hex += "0123456789abcdef"[(word >> shift) & 15];
    }
    return hex;
  }

 private:
  void block(const std::byte* p) {
#if UNFOLD_SHA_INSTRUCTIONS
    if (!portable_ && has_instructions()) return instructed_block(state_.data(), p);
#endif
    std::array<uint32_t, 64> w;
    for (size_t i = 0; i < 16; ++i, p += 4) {
      w[i] = std::to_integer<uint32_t>(p[0]) << 24 | std::to_integer<uint32_t>(p[1]) << 16 |
             std::to_integer<uint32_t>(p[2]) << 8 | std::to_integer<uint32_t>(p[3]);
    }
    for (size_t i = 16; i < 64; ++i) {
      const uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
      const uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (size_t i = 0; i < 64; ++i) {
      const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRound[i] + w[i];
      const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = d + t1;
      d = c;
      c = b;
      b = a;
      a = t1 + t2;
    }
    const std::array<uint32_t, 8> sum = {a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < 8; ++i) state_[i] += sum[i];
  }

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> pending_{};
  size_t filled_ = 0;
  uint64_t total_ = 0;
  [[maybe_unused]] bool portable_;
};

}  // namespace

std::string sha256(std::span<const std::byte> head, std::span<const std::byte> tail, bool portable) {
  Sha256 hash(portable);
  hash.add(head);
  hash.add(tail);
  return hash.finish();
}

}  // namespace unfold
