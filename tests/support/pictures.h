// Pictures for tests: as files of every format, made by the formats' own libraries or byte by byte.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "unfold/data/image_file.h"
#include "unfold/error.h"
#include "unfold/files.h"

// After <cstdio>, which it needs.
#include <cstdio>

#include <jpeglib.h>
#include <png.h>

namespace unfold::pictures {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline void append(Bytes& to, std::initializer_list<int> values) {
  for (int v : values) to.push_back(static_cast<std::byte>(v));
}

inline void append_number(Bytes& to, int64_t value, int bytes) {  // little-endian
  for (int i = 0; i < bytes; ++i) to.push_back(static_cast<std::byte>(value >> 8 * i));
}

/// A picture in which no two places look the same.
inline Image sample(int64_t w, int64_t h, int64_t c) {
  Image image{w, h, c, {}};
  for (int64_t i = 0; i < w * h * c; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i * 53 + i / 7 * 11 + 20));
  return image;
}

/// A JPEG of a smooth picture; `quality` 100 keeps it to within a few steps. With CMYK, four channels.
inline Bytes jpeg(const Image& image, J_COLOR_SPACE space, bool progressive = false, const Bytes& exif = {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = static_cast<int>(image.channels);
  info.in_color_space = space;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  if (progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  if (!exif.empty()) {
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(exif.data()),
                      static_cast<unsigned>(exif.size()));
  }
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPROW>(image.at(info.next_scanline, 0).data());
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const auto* begin = reinterpret_cast<const std::byte*>(out);
  Bytes bytes(begin, begin + size);
  std::free(out);
  return bytes;
}

/// What a camera writes: the turn that is needed to see the picture upright.
inline Bytes exif(int orientation, bool little) {
  Bytes out = bytes_of(std::string("Exif\0\0", 6));
  if (little) {
    append(out, {'I', 'I', 42, 0, 8, 0, 0, 0, 2, 0});
    append(out, {0x0f, 0x01, 2, 0, 1, 0, 0, 0, 'x', 0, 0, 0});
    append(out, {0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0});
  } else {
    append(out, {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1});
    append(out, {0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0});
  }
  return out;
}

/// A PNG of any kind, straight from libpng.
struct PngKind {
  int depth = 8, colour = PNG_COLOR_TYPE_GRAY, interlace = PNG_INTERLACE_NONE;
  std::vector<png_color> palette{};
  std::vector<png_byte> palette_alpha{};
  bool grey_key = false;  // grey value 1 is transparent
  Bytes exif_block{};
};

inline Bytes png(const PngKind& kind, int64_t w, int64_t h, const std::vector<std::vector<png_byte>>& rows) {
  png_structp p = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(p);
  Bytes out;
  png_set_write_fn(
      p, &out,
      [](png_structp q, png_bytep from, size_t n) {
        auto* to = static_cast<Bytes*>(png_get_io_ptr(q));
        to->insert(to->end(), reinterpret_cast<std::byte*>(from), reinterpret_cast<std::byte*>(from) + n);
      },
      [](png_structp) {});
  png_set_IHDR(p, info, static_cast<png_uint_32>(w), static_cast<png_uint_32>(h), kind.depth, kind.colour,
               kind.interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!kind.palette.empty())
    png_set_PLTE(p, info, kind.palette.data(), static_cast<int>(kind.palette.size()));
  if (!kind.palette_alpha.empty()) {
    png_set_tRNS(p, info, kind.palette_alpha.data(), static_cast<int>(kind.palette_alpha.size()), nullptr);
  }
  if (kind.grey_key) {
    png_color_16 key{};
    key.gray = 1;
    png_set_tRNS(p, info, nullptr, 0, &key);
  }
  if (!kind.exif_block.empty()) {
    auto copy = kind.exif_block;
    png_set_eXIf_1(p, info, static_cast<png_uint_32>(copy.size()), reinterpret_cast<png_bytep>(copy.data()));
  }
  png_write_info(p, info);
  std::vector<png_bytep> pointers;
  for (const auto& row : rows) pointers.push_back(const_cast<png_bytep>(row.data()));
  png_write_image(p, pointers.data());
  png_write_end(p, info);
  png_destroy_write_struct(&p, &info);
  return out;
}

inline Bytes bmp(int64_t w, int64_t h, int bits, const Bytes& palette, const Bytes& rows) {
  Bytes out = bytes_of("BM");
  const auto data = 54 + static_cast<int64_t>(palette.size());
  append_number(out, data + static_cast<int64_t>(rows.size()), 4);
  append_number(out, 0, 4);
  append_number(out, data, 4);
  append_number(out, 40, 4);
  append_number(out, w, 4);
  append_number(out, h, 4);
  append_number(out, 1, 2);
  append_number(out, bits, 2);
  for (int64_t v : {0, 0, 0, 0, static_cast<int>(palette.size() / 4), 0}) append_number(out, v, 4);
  out.insert(out.end(), palette.begin(), palette.end());
  out.insert(out.end(), rows.begin(), rows.end());
  return out;
}

/// The line a user would read; fails unless it is a data error that names the file and says what to do.
inline std::string refusal(const Bytes& bytes) {
  try {
    decode_image(bytes, "a.png");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::data);
    CHECK_FALSE(e.hint().empty());
    std::string line = e.what();
    CHECK(line.starts_with("a.png: "));
    return line.substr(7) + " / " + e.hint();
  }
  return "not refused";
}

inline void check_every_truncation(const Bytes& whole) {
  CHECK_NOTHROW(decode_image(whole, "whole"));
  for (size_t n = 0; n < whole.size(); ++n) {
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    CAPTURE(n);
    CHECK_THROWS_AS(decode_image(part, "part"), Error);
  }
}

}  // namespace unfold::pictures
