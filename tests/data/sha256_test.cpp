#include "unfold/data/sha256.h"

#include <doctest/doctest.h>

#include <string>

using unfold::sha256;

namespace {
/// By the processor's instructions, if it has them, and without: the same.
std::string of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  const std::string digest = sha256(bytes);
  CHECK(sha256(bytes, {}, true) == digest);
  return digest;
}
}  // namespace

TEST_CASE("SHA-256 gives the published digests") {
  // FIPS 180-4 examples (NIST, "SHA256.pdf") and the million letters a.
  CHECK(of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(
      of("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmno"
         "pqrstnopqrstu") == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK(of(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 of two parts is that of the whole, wherever it is cut") {
  std::string text;
  for (int i = 0; i < 200; ++i) text += static_cast<char>(i * 7);
  const std::string whole = of(text);
  const auto bytes = std::as_bytes(std::span(text));
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    CHECK(sha256(bytes.first(cut), bytes.subspan(cut)) == whole);
    CHECK(sha256(bytes.first(cut), bytes.subspan(cut), true) == whole);
  }
}
