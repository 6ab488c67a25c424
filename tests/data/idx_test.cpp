#include "unfold/data/idx.h"

#include <doctest/doctest.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <functional>

#include "tests/support/data_files.h"
#include "unfold/data/gzip.h"
#include "unfold/files.h"

using namespace unfold;
using namespace unfold::testing;

namespace {

const std::vector<std::string> kDigits = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

/// Expects a data error whose line holds `text` and that has a hint.
void check_refused(const std::function<void()>& call, std::string_view text) {
  try {
    call();
    FAIL("not refused: ", text);
  } catch (const Error& e) {
    CAPTURE(e.what());
    CHECK(e.kind() == ErrorKind::data);
    CHECK(std::string_view(e.what()).find(text) != std::string_view::npos);
    CHECK_FALSE(e.hint().empty());
  }
}

}  // namespace

TEST_CASE("an images file is read as it is, raw and gzip") {
  const Dataset small = small_set(5, 3, 4, 1);
  const auto raw = idx_images_bytes(small);
  REQUIRE(raw.size() == 16 + 5 * 3 * 4);
  const uint8_t header[16] = {0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 4};  // written out from the format
  CHECK(std::memcmp(raw.data(), header, 16) == 0);
  for (const auto& bytes : {raw, gzip(raw)}) {
    const IdxImages images = parse_idx_images(bytes, "x");
    CHECK(images.count == 5);
    CHECK(images.rows == 3);
    CHECK(images.columns == 4);
    CHECK(images.pixels == small.pixels);
  }
  CHECK(parse_idx_labels(gzip(idx_labels_bytes(small)), "x") == small.labels);
}

TEST_CASE("a data set written as IDX files loads back the same") {
  const TemporaryFolder folder;
  const Dataset small = small_set(20, 28, 28, 2);
  write_idx(small, folder / "images", folder / "labels");
  const Dataset back = load_idx(folder / "images", folder / "labels", "some", kDigits);
  CHECK(back.name == "some");
  CHECK(back.image == Shape({1, 28, 28}));
  CHECK(back.pixels == small.pixels);
  CHECK(back.labels == small.labels);
  CHECK(back.classes == kDigits);
}

TEST_CASE("a label that fits no byte is not written") {
  Dataset small = small_set(3, 2, 2, 3);
  small.labels[1] = 255;
  CHECK(parse_idx_labels(idx_labels_bytes(small), "x") == small.labels);
  small.labels[1] = 256;
  CHECK_THROWS_AS(idx_labels_bytes(small), Error);
}

TEST_CASE("every truncation of an images and a labels file is refused") {
  const Dataset small = small_set(3, 2, 2, 3);
  for (const auto& bytes : {idx_images_bytes(small), gzip(idx_images_bytes(small))}) {
    for (size_t n = 0; n < bytes.size(); ++n) {
      CAPTURE(n);
      CHECK_THROWS_AS(parse_idx_images(std::span(bytes).first(n), "x"), Error);
    }
    CHECK_NOTHROW(parse_idx_images(bytes, "x"));
  }
  for (const auto& bytes : {idx_labels_bytes(small), gzip(idx_labels_bytes(small))}) {
    for (size_t n = 0; n < bytes.size(); ++n) {
      CHECK_THROWS_AS(parse_idx_labels(std::span(bytes).first(n), "x"), Error);
    }
  }
  auto bytes = idx_images_bytes(small);
  bytes.pop_back();
  check_refused([&] { parse_idx_images(bytes, "a.idx"); },
                "a.idx: the file is truncated (wanted 12 bytes after the header, got 11)");
  check_refused([] { parse_idx_images({}, "a.idx"); }, "ends inside its header (wanted 16 bytes, got 0)");
}

TEST_CASE("bytes after the end are refused") {
  const Dataset small = small_set(3, 2, 2, 3);
  auto raw = idx_images_bytes(small);
  raw.push_back(std::byte{0});
  check_refused([&] { parse_idx_images(raw, "x"); }, "bytes after the end");
  check_refused([&] { parse_idx_images(gzip(raw), "x"); }, "bytes after the end");
  auto packed = gzip(idx_images_bytes(small));
  packed.push_back(std::byte{7});
  packed.push_back(std::byte{7});
  check_refused([&] { parse_idx_images(packed, "x"); }, "gzip data");
}

TEST_CASE("a wrong magic number is refused, and exchanged files are called so") {
  const Dataset small = small_set(3, 2, 2, 3);
  auto raw = idx_images_bytes(small);
  raw[2] = std::byte{13};  // floats
  check_refused([&] { parse_idx_images(raw, "x"); }, "wanted 0x00000803 (images), got 0x00000d03");
  try {
    parse_idx_labels(idx_images_bytes(small), "x");
    FAIL("not refused");
  } catch (const Error& e) {
    CHECK(e.hint().find("exchanged") != std::string::npos);
  }
  const std::string page = "<html>403 Forbidden</html>";
  check_refused([&] { parse_idx_images(std::as_bytes(std::span(page)), "x"); }, "magic number");
}

TEST_CASE("absurd sizes are refused before memory is spent on them") {
  const auto with_sizes = [](uint32_t n, uint32_t h, uint32_t w) {
    auto raw = idx_images_bytes(small_set(1, 1, 1, 0));
    const uint32_t sizes[] = {n, h, w};
    for (size_t i = 0; i < 12; ++i) raw[4 + i] = static_cast<std::byte>(sizes[i / 4] >> (24 - 8 * (i % 4)));
    return raw;
  };
  for (const auto& [n, h, w] : {std::array<uint32_t, 3>{0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF},
                                {0x80000001, 1, 1},
                                {1, 70000, 1},
                                {60000, 60000, 60000},
                                {0, 28, 28},
                                {5, 0, 28}}) {
    check_refused([&] { parse_idx_images(with_sizes(n, h, w), "x"); }, "sizes that cannot be");
    check_refused([&] { parse_idx_images(gzip(with_sizes(n, h, w)), "x"); }, "sizes that cannot be");
  }
  // Two thousand million bytes are allowed as such, but no file of 50 bytes holds them, not even packed.
  check_refused([&] { parse_idx_images(with_sizes(2000000, 32, 32), "x"); }, "truncated");
  check_refused([&] { parse_idx_images(gzip(with_sizes(2000000, 32, 32)), "x"); }, "truncated");
}

TEST_CASE("damaged gzip data are refused wherever the damage is") {
  const auto packed = gzip(idx_images_bytes(small_set(4, 5, 5, 9)));
  const auto right = parse_idx_images(packed, "x").pixels;
  for (size_t i = 0; i < packed.size(); ++i) {
    CAPTURE(i);
    auto bad = packed;
    bad[i] ^= std::byte{0x11};
    if (i >= 4 && i <= 9) {  // time, flags and system of the header: not part of the content
      CHECK(parse_idx_images(bad, "x").pixels == right);
    } else {
      CHECK_THROWS_AS(parse_idx_images(bad, "x"), Error);
    }
  }
}

TEST_CASE("a label that names no class and unequal counts are refused with the file's name") {
  const TemporaryFolder folder;
  Dataset small = small_set(6, 2, 2, 4);
  small.labels[4] = 10;
  write_idx(small, folder / "images", folder / "labels");
  check_refused([&] { load_idx(folder / "images", folder / "labels", "x", kDigits); },
                "labels: label 4 names no class (wanted 0 to 9, got 10)");
  small.labels[4] = 9;
  write_idx(small, folder / "images", folder / "labels");
  CHECK(load_idx(folder / "images", folder / "labels", "x", kDigits).labels[4] == 9);
  small.labels.pop_back();
  write_file(folder / "labels", idx_labels_bytes(small));
  check_refused([&] { load_idx(folder / "images", folder / "labels", "x", kDigits); },
                "wanted 6 labels, as there are images, got 5");
  CHECK_THROWS_AS(load_idx(folder / "missing", folder / "labels", "x", kDigits), Error);
  CHECK_THROWS_AS(idx_images_bytes(small), Error);  // now the pixels do not fit the labels
}

TEST_CASE("a gzip file of several members counts as one") {
  const Dataset small = small_set(6, 4, 4, 5);
  const auto raw = idx_images_bytes(small);
  auto packed = gzip(std::span(raw).first(30));
  const auto second = gzip(std::span(raw).subspan(30));
  packed.insert(packed.end(), second.begin(), second.end());
  CHECK(parse_idx_images(packed, "x").pixels == small.pixels);
}
