// SHA-256 (FIPS 180-4). Our own, because 60 lines with the published test vectors cost less than a
// cryptography library in the dependencies of unfold::core; it only recognises files, it keeps no secret.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace unfold {

/// The digest as 64 lower-case hexadecimal digits, of `head` followed by `tail`; `portable`: without the
/// processor's own instructions, which give the same.
std::string sha256(std::span<const std::byte> head, std::span<const std::byte> tail = {},
                   bool portable = false);

}  // namespace unfold
