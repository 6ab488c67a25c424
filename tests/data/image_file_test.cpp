#include "unfold/data/image_file.h"

#include <doctest/doctest.h>

#include "tests/support/pictures.h"

using namespace unfold;
using namespace unfold::pictures;

TEST_CASE("a picture written as PNG is read back as it was, for 1 to 4 channels") {
  for (int64_t c = 1; c <= 4; ++c) {
    const Image image = sample(7, 5, c);
    const Image back = decode_image(encode_png(image), "memory");
    CHECK(back.width == 7);
    CHECK(back.height == 5);
    CHECK(back.channels == c);
    CHECK(back.pixels == image.pixels);
  }
  CHECK_THROWS_AS(encode_png({2, 2, 1, {1, 2, 3}}), Error);
  CHECK_THROWS_AS(encode_png({0, 0, 1, {}}), Error);
  CHECK_THROWS_AS(encode_png({1, 1, 5, {1, 2, 3, 4, 5}}), Error);
}

TEST_CASE("PNG with 16 bits is rounded to 8") {
  const auto out =
      decode_image(png({.depth = 16}, 4, 1, {{0x00, 0x7f, 0x00, 0x81, 0xff, 0xff, 0x80, 0x80}}), "p");
  CHECK(out.channels == 1);
  CHECK(out.pixels == std::vector<uint8_t>{0, 1, 255, 128});
}

TEST_CASE("PNG palettes become colours, transparent entries alpha, single bits grey, a key colour alpha") {
  const std::vector<png_color> palette{{10, 20, 30}, {40, 50, 60}};
  auto out = decode_image(
      png({.depth = 1, .colour = PNG_COLOR_TYPE_PALETTE, .palette = palette}, 3, 1, {{0b01000000}}), "p");
  CHECK(out.channels == 3);
  CHECK(out.pixels == std::vector<uint8_t>{10, 20, 30, 40, 50, 60, 10, 20, 30});
  out = decode_image(
      png({.colour = PNG_COLOR_TYPE_PALETTE, .palette = palette, .palette_alpha = {7}}, 2, 1, {{1, 0}}), "p");
  CHECK(out.channels == 4);
  CHECK(out.pixels == std::vector<uint8_t>{40, 50, 60, 255, 10, 20, 30, 7});
  out = decode_image(png({.depth = 2}, 4, 1, {{0b00011011}}), "p");
  CHECK(out.pixels == std::vector<uint8_t>{0, 85, 170, 255});
  out = decode_image(png({.grey_key = true}, 2, 1, {{1, 2}}), "p");
  CHECK(out.channels == 2);
  CHECK(out.pixels == std::vector<uint8_t>{1, 0, 2, 255});
}

TEST_CASE("an interlaced PNG is put together") {
  const Image image = sample(9, 9, 1);
  std::vector<std::vector<png_byte>> rows;
  for (int64_t y = 0; y < 9; ++y) rows.emplace_back(image.at(y, 0).data(), image.at(y, 0).data() + 9);
  const Bytes bytes = png({.interlace = PNG_INTERLACE_ADAM7}, 9, 9, rows);
  CHECK(decode_image(bytes, "p").pixels == image.pixels);
  check_every_truncation(bytes);
}

TEST_CASE("JPEG in grey, colour, inks and progressive comes close to what was saved") {
  const auto check = [](const Image& image, J_COLOR_SPACE space, bool progressive, const Image& wanted) {
    const Image out = decode_image(jpeg(image, space, progressive), "j");
    REQUIRE(out.channels == wanted.channels);
    REQUIRE(out.pixels.size() == wanted.pixels.size());
    for (size_t i = 0; i < out.pixels.size(); ++i) CHECK(std::abs(out.pixels[i] - wanted.pixels[i]) <= 6);
  };
  Image grey{20, 10, 1, {}}, colour{20, 10, 3, {}}, inks{20, 10, 4, {}}, light{20, 10, 3, {}};
  for (int y = 0; y < 10; ++y) {
    for (int x = 0; x < 20; ++x) {
      grey.pixels.push_back(static_cast<uint8_t>(5 * x + 10 * y));
      // Smooth along both axes: half of a colour JPEG's colour is thrown away.
      for (int c : {3 * x, 60 + 2 * x + y, 200 - 3 * y}) colour.pixels.push_back(static_cast<uint8_t>(c));
      const int c[] = {4 * x, 100, 255 - 5 * y, 230};  // as Adobe has it: 255 is no ink
      for (int v : c) inks.pixels.push_back(static_cast<uint8_t>(v));
      for (int i = 0; i < 3; ++i) light.pixels.push_back(static_cast<uint8_t>((c[i] * c[3] + 127) / 255));
    }
  }
  check(grey, JCS_GRAYSCALE, false, grey);
  check(colour, JCS_RGB, false, colour);
  check(colour, JCS_RGB, true, colour);
  check(inks, JCS_CMYK, false, light);
}

TEST_CASE("the turn noted by a camera is applied, all eight of them") {
  // A picture of 16x8 with a light corner, and where that corner is seen.
  struct Turn {
    int orientation;
    bool swapped, right, bottom;
  };
  Image image{16, 8, 1, std::vector<uint8_t>(128, 0)};
  for (int64_t y = 0; y < 4; ++y) {
    for (int64_t x = 0; x < 8; ++x) image.pixels[static_cast<size_t>(y * 16 + x)] = 255;
  }
  for (const Turn& t :
       {Turn{1, false, false, false}, Turn{2, false, true, false}, Turn{3, false, true, true},
        Turn{4, false, false, true}, Turn{5, true, false, false}, Turn{6, true, true, false},
        Turn{7, true, true, true}, Turn{8, true, false, true}, Turn{9, false, false, false}}) {
    CAPTURE(t.orientation);
    const auto check = [&](const Image& out) {
      CHECK(out.width == (t.swapped ? 8 : 16));
      CHECK(out.height == (t.swapped ? 16 : 8));
      for (bool bottom : {false, true}) {
        for (bool right : {false, true}) {
          const uint8_t v = out.at(bottom ? out.height - 1 : 0, right ? out.width - 1 : 0)[0];
          CHECK((v > 128) == (bottom == t.bottom && right == t.right));
        }
      }
    };
    check(decode_image(jpeg(image, JCS_GRAYSCALE, false, exif(t.orientation, true)), "j"));
    check(decode_image(jpeg(image, JCS_GRAYSCALE, false, exif(t.orientation, false)), "j"));
    std::vector<std::vector<png_byte>> rows;
    for (int64_t y = 0; y < 8; ++y) rows.emplace_back(image.at(y, 0).data(), image.at(y, 0).data() + 16);
    Bytes block = exif(t.orientation, false);
    block.erase(block.begin(), block.begin() + 6);
    check(decode_image(png({.exif_block = block}, 16, 8, rows), "p"));
  }
}

TEST_CASE("an EXIF block cut at any place is ignored or read, never followed outside") {
  const Image image{16, 8, 1, std::vector<uint8_t>(128, 77)};
  const Bytes whole = exif(6, true);
  for (size_t n = 1; n < whole.size(); ++n) {
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    CHECK_NOTHROW(decode_image(jpeg(image, JCS_GRAYSCALE, false, part), "j"));
  }
  Bytes far = whole;
  for (size_t i = 10; i < 14; ++i) far[i] = std::byte{0xff};
  CHECK(decode_image(jpeg(image, JCS_GRAYSCALE, false, far), "j").width == 16);
}

TEST_CASE("PGM and PPM, text and binary, with comments and any largest value") {
  auto out = decode_image(bytes_of("P2 # grey\n3 1\n# the largest\n100\n0 50 100\n"), "p");
  CHECK(out.channels == 1);
  CHECK(out.pixels == std::vector<uint8_t>{0, 128, 255});
  out = decode_image(bytes_of("P3 1 1 255 1 2 3"), "p");
  CHECK(out.channels == 3);
  CHECK(out.pixels == std::vector<uint8_t>{1, 2, 3});
  out = decode_image(bytes_of("P5 2 1 255\nab"), "p");
  CHECK(out.pixels == std::vector<uint8_t>{'a', 'b'});
  Bytes wide = bytes_of("P6 1 1 65535\n");
  append(wide, {0, 0x7f, 0xff, 0xff, 0x80, 0x80});
  CHECK(decode_image(wide, "p").pixels == std::vector<uint8_t>{0, 255, 128});
  check_every_truncation(wide);
  check_every_truncation(bytes_of("P5 2 2 255\nabcd"));
  // Text may lose digits of its last number unseen; everything before must be there.
  const std::string text = "P2 2 2 255\n1 20 3 4";
  for (size_t n = 0; n < text.size(); ++n)
    CHECK_THROWS_AS(decode_image(bytes_of(text.substr(0, n)), "p"), Error);
  CHECK(refusal(bytes_of("P5 2 1 0\nab")).find("1 to 65535") != std::string::npos);
  CHECK(refusal(bytes_of("P5 2 1 65536\nab")).find("1 to 65535") != std::string::npos);
  CHECK(refusal(bytes_of("P2 2 1 9 9 10")).find("above the largest") != std::string::npos);
  CHECK(refusal(bytes_of("P2 2 x 9 9 9")).find("number is missing") != std::string::npos);
  CHECK(refusal(bytes_of("P2 -2 1 9 9 9")).find("number is missing") != std::string::npos);
  CHECK(refusal(bytes_of("P5 0 1 9\n")).find("without pixels") != std::string::npos);
  CHECK(refusal(bytes_of("P5 99999999999999999999 1 9\n")).find("too large") != std::string::npos);
}

TEST_CASE("BMP of 1, 4, 8, 24 and 32 bits, bottom-up and top-down") {
  Bytes palette, rows;
  append(palette, {1, 2, 3, 0, 4, 5, 6, 0});  // blue, green, red
  append(rows, {0b10000000, 0, 0, 0, 0b01000000, 0, 0, 0});
  auto out = decode_image(bmp(2, 2, 1, palette, rows), "b");
  CHECK(out.channels == 3);
  CHECK(out.pixels == std::vector<uint8_t>{3, 2, 1, 6, 5, 4, 6, 5, 4, 3, 2, 1});
  out = decode_image(bmp(2, -2, 1, palette, rows), "b");
  CHECK(out.pixels == std::vector<uint8_t>{6, 5, 4, 3, 2, 1, 3, 2, 1, 6, 5, 4});
  rows.clear();
  append(rows, {0x10, 0x10, 0, 0});
  CHECK(decode_image(bmp(3, 1, 4, palette, rows), "b").pixels ==
        std::vector<uint8_t>{6, 5, 4, 3, 2, 1, 6, 5, 4});
  rows.clear();
  append(rows, {0, 1, 0, 0});
  CHECK(decode_image(bmp(2, 1, 8, palette, rows), "b").pixels == std::vector<uint8_t>{3, 2, 1, 6, 5, 4});
  rows[1] = std::byte{2};
  CHECK(refusal(bmp(2, 1, 8, palette, rows)).find("not in the palette") != std::string::npos);
  rows.clear();
  append(rows, {1, 2, 3, 0});
  const Bytes full = bmp(1, 1, 24, {}, rows);
  CHECK(decode_image(full, "b").pixels == std::vector<uint8_t>{3, 2, 1});
  check_every_truncation(full);
  out = decode_image(bmp(1, 1, 32, {}, rows), "b");
  CHECK(out.pixels == std::vector<uint8_t>{3, 2, 1});

  Bytes masks;  // behind a short header; the order of the colours is theirs
  for (int64_t mask : {0xff, 0xff00, 0xff0000}) append_number(masks, mask, 4);
  Bytes fields = bmp(1, 1, 32, masks, rows);
  fields[30] = std::byte{3};
  CHECK(decode_image(fields, "b").pixels == std::vector<uint8_t>{1, 2, 3});
  check_every_truncation(fields);
  fields[54] = std::byte{0x7f};
  CHECK(refusal(fields).find("8 bits") != std::string::npos);

  Bytes packed = full;
  packed[30] = std::byte{1};
  CHECK(refusal(packed).find("compressed") != std::string::npos);
  Bytes odd = full;
  odd[28] = std::byte{16};
  CHECK(refusal(odd).find("got 16") != std::string::npos);
  Bytes inside = full;
  inside[10] = std::byte{3};
  CHECK(refusal(inside).find("inside the header") != std::string::npos);
  CHECK(refusal(bmp(0, 1, 24, {}, rows)).find("without pixels") != std::string::npos);
  CHECK(refusal(bmp(1, -2147483648LL, 24, {}, rows)).find("too large") != std::string::npos);
}

TEST_CASE("every truncation of a PNG and of a JPEG is an error") {
  check_every_truncation(encode_png(sample(11, 9, 3)));
  check_every_truncation(jpeg(sample(24, 17, 3), JCS_RGB));
  check_every_truncation(jpeg(sample(24, 17, 1), JCS_GRAYSCALE, true));
}

TEST_CASE("flipped bytes are refused or read, never worse") {
  for (const Bytes& good : {encode_png(sample(11, 9, 3)), jpeg(sample(24, 17, 3), JCS_RGB, true),
                            bmp(2, 1, 8, Bytes(8), Bytes(4)), bytes_of("P2 2 2 255\n1 20 3 4")}) {
    uint32_t seed = 7;
    const auto next = [&](size_t n) {
      return static_cast<size_t>((seed = seed * 1664525 + 1013904223) >> 8) % n;
    };
    int read = 0, refused = 0;
    for (int i = 0; i < 1000; ++i) {
      Bytes bad = good;
      for (int flips = 0; flips < 3; ++flips) bad[next(bad.size())] = static_cast<std::byte>(next(256));
      try {
        const Image image = decode_image(bad, "bad");
        CHECK(static_cast<int64_t>(image.pixels.size()) == image.width * image.height * image.channels);
        ++read;
      } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::data);
        ++refused;
      }
    }
    CHECK(read + refused == 1000);
    CHECK(refused > 0);
  }
}

TEST_CASE("absurd sizes are refused by the header") {
  Bytes png_header = encode_png(sample(1, 1, 1));
  const auto set = [&](size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) png_header[at + i] = static_cast<std::byte>(value >> (24 - 8 * i));
  };
  for (uint32_t side : {20000u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    set(16, side);
    set(20, side);
    CHECK(refusal(png_header).find("too large (wanted at most 64 megapixels, got " + std::to_string(side)) ==
          0 + std::string("the picture is ").size());
  }
  CHECK(refusal(bytes_of("P5 20000 20000 255\nx")).find("too large") != std::string::npos);
  CHECK(refusal(bmp(20000, 20000, 24, {}, Bytes(4))).find("too large") != std::string::npos);
  // The size is in the frame header, behind marker FF C0: length, precision, height, width.
  Bytes large = jpeg(sample(8, 8, 1), JCS_GRAYSCALE);
  for (size_t i = 0; i + 9 < large.size(); ++i) {
    if (large[i] != std::byte{0xff} || large[i + 1] != std::byte{0xc0}) continue;
    large[i + 5] = large[i + 7] = std::byte{0x4e};
    large[i + 6] = large[i + 8] = std::byte{0x20};
    CHECK(refusal(large).find("got 20000x20000") != std::string::npos);
    // Within the limit, but far more than so few bytes can hold.
    large[i + 5] = large[i + 7] = std::byte{0x1e};
    CHECK(refusal(large).find("cut short") != std::string::npos);
    break;
  }
  set(16, 7000);
  set(20, 7000);
  CHECK(refusal(png_header) != "not refused");
  Bytes chunk = encode_png(sample(1, 1, 1));
  REQUIRE(chunk[33] == std::byte{0});  // the length of what comes behind the header
  chunk[33] = std::byte{0x7e};
  CHECK(refusal(chunk).find("cut short") != std::string::npos);
  CHECK(refusal(bytes_of("P5 7000 7000 255\nx")).find("cut short") != std::string::npos);
}

TEST_CASE("a picture takes little more memory than its file: JPEGs are made smaller, others refused") {
  Image flat{.width = 6000, .height = 4000, .channels = 3, .pixels = {}};
  flat.pixels.assign(6000 * 4000 * 3, 90);
  for (size_t i = 0; i < flat.pixels.size() / 2; ++i) flat.pixels[i] = 200;  // the upper half
  const Bytes file = jpeg(flat, JCS_RGB);
  REQUIRE(file.size() < 3'000'000);
  const Image out = decode_image(file, "x");
  CHECK(out.width == 3000);
  CHECK(out.height == 2000);
  CHECK(std::abs(out.at(10, 10)[0] - 200) <= 2);
  CHECK(std::abs(out.at(1990, 2990)[2] - 90) <= 2);
  // Turned, it would be held twice; in several scans, with all its coefficients.
  CHECK(decode_image(jpeg(flat, JCS_RGB, false, exif(6, true)), "x").height == 3000);
  CHECK_THROWS_WITH_AS(decode_image(jpeg(flat, JCS_RGB, true), "x"),
                       doctest::Contains("too large for its file"), Error);
  CHECK_THROWS_WITH_AS(decode_image(encode_png(flat), "x"), doctest::Contains("too large for its file"),
                       Error);
}

TEST_CASE("what is no picture, and pictures of other kinds, are named") {
  CHECK(refusal({}).find("empty") != std::string::npos);
  CHECK(refusal(bytes_of("hello")).find("no picture") != std::string::npos);
  CHECK(refusal(Bytes(100)).find("no picture") != std::string::npos);
  const auto says = [](std::string_view bytes, const std::string& name) {
    CHECK(refusal(bytes_of(bytes)) == name + " pictures are not supported / convert it to PNG or JPEG");
  };
  says("GIF89a......", "GIF");
  says(std::string("RIFF\1\2\3\4WEBPVP8 ", 16), "WebP");
  says(std::string("\0\0\0\x18"
                   "ftypheic",
                   12),
       "HEIC");
  says(std::string("\0\0\0\x18"
                   "ftypavif",
                   12),
       "AVIF");
  says(std::string("II*\0", 4), "TIFF");
  says("P4 1 1 x", "PBM");
  says("%PDF-1.4", "PDF");
}

TEST_CASE("a file is read by its content, and a missing one is named") {
  const auto path =
      std::filesystem::temp_directory_path() / ("unfold-image-" + std::to_string(std::rand()) + ".jpg");
  write_file(path, encode_png(sample(3, 2, 1)));
  CHECK(read_image(path).pixels == sample(3, 2, 1).pixels);
  std::filesystem::remove(path);
  try {
    read_image(path);
    FAIL("not refused");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::data);
    CHECK(std::string(e.what()).find(path.string()) != std::string::npos);
  }
}
