#include "unfold/train/html.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "unfold/error.h"

namespace unfold::html {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD", kEllipsis = "\xE2\x80\xA6", kDash = "\xE2\x80\x94";

/// Length of the UTF-8 character at the front of `text`; 0 if there is none that HTML allows.
size_t character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return byte(0) >= 0x20 && byte(0) != 0x7F;
  const size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < length) return 0;
  uint32_t code = byte(0) & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0u) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3Fu);
  }
  constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool overlong = code < kSmallest[length], surrogate = code >= 0xD800 && code <= 0xDFFF;
  const bool control = code < 0xA0;
  const bool noncharacter = (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFEu) == 0xFFFE;
  return overlong || surrogate || control || noncharacter || code > 0x10FFFF ? 0 : length;
}

void append_escaped(std::string& out, std::string_view text) {
  switch (text[0]) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    default:
      out += text;
  }
}

std::string format(double value, std::chars_format style, int digits) {
  if (!std::isfinite(value)) return std::string(kDash);
  std::array<char, 512> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value, style, digits).ptr};
}

void append_u32(std::vector<uint8_t>& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(value >> shift));
}

void append_chunk(std::vector<uint8_t>& png, std::string_view type, std::span<const uint8_t> data) {
  append_u32(png, static_cast<uint32_t>(data.size()));
  const size_t start = png.size();
  png.insert(png.end(), type.begin(), type.end());
  png.insert(png.end(), data.begin(), data.end());
  const uLong crc = crc32(0, png.data() + start, static_cast<uInt>(png.size() - start));
  append_u32(png, static_cast<uint32_t>(crc));
}

/// An 8-bit PNG of `rows`: each row is a filter byte (0) and its pixels.
std::vector<uint8_t> encode_png(uint32_t width, uint32_t height, bool colour, std::span<const uint8_t> rows) {
  uLongf size = compressBound(static_cast<uLong>(rows.size()));
  std::vector<uint8_t> packed(size);
  if (compress2(packed.data(), &size, rows.data(), static_cast<uLong>(rows.size()), Z_BEST_COMPRESSION) !=
      Z_OK) {
    throw Error(ErrorKind::runtime, "zlib could not pack a picture");
  }
  packed.resize(size);
  std::vector<uint8_t> png = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  std::vector<uint8_t> header;
  append_u32(header, width);
  append_u32(header, height);
  const std::array<uint8_t, 5> rest = {8, static_cast<uint8_t>(colour ? 2 : 0), 0, 0, 0};
  header.insert(header.end(), rest.begin(), rest.end());
  append_chunk(png, "IHDR", header);
  append_chunk(png, "IDAT", packed);
  append_chunk(png, "IEND", {});
  return png;
}

}  // namespace

std::string escape(std::string_view text, size_t limit) {
  std::string out;
  out.reserve(std::min(text.size(), limit) + 8);
  size_t last = 0;  // where the last character begins in `out`
  for (size_t shown = 0; !text.empty(); ++shown) {
    if (shown == limit) {
      out.replace(last, std::string::npos, kEllipsis);
      break;
    }
    last = out.size();
    const size_t length = character(text);
    if (length > 0) {
      append_escaped(out, text.substr(0, length));
    } else if (text[0] == '\n' || text[0] == '\r' || text[0] == '\t') {
      out += ' ';
    } else {
      out += kReplacement;
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

std::string name(std::string_view text, size_t limit) {
  return "<bdi>" + escape(text, limit) + "</bdi>";
}

std::string number(double value, int digits) {
  return format(value, std::chars_format::fixed, digits);
}
std::string significant(double value, int digits) {
  return format(value, std::chars_format::general, digits);
}

std::string count(int64_t value) {
  std::string text = std::to_string(value);
  const size_t first = value < 0 ? 1 : 0;
  for (size_t at = text.size(); at > first + 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string percent(double share, int digits) {
  return std::isfinite(share) ? number(100 * share, digits) + "\xC2\xA0%" : std::string(kDash);
}

std::string base64(std::span<const uint8_t> bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < n ? bytes[i + j] : 0u);
    for (size_t j = 0; j < 4; ++j) out += j <= n ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

std::string png_address(const Shape& image, std::span<const uint8_t> pixels, int64_t side) {
  if (image.rank() != 3 || image.elements() == 0 || static_cast<size_t>(image.elements()) != pixels.size()) {
    throw Error(ErrorKind::usage, "a sample of the report is no picture")
        .wanted("(C, H, W) and as many bytes")
        .got(image.text() + " and " + std::to_string(pixels.size()) + " bytes");
  }
  const int64_t c = image[0], h = image[1], w = image[2];
  const int64_t block = (std::max(h, w) + side - 1) / side;
  const int64_t out_h = (h + block - 1) / block, out_w = (w + block - 1) / block;
  const int64_t channels = c == 3 ? 3 : 1, each = c / channels;  // `each` channels are averaged into one
  std::vector<uint8_t> rows;
  rows.reserve(static_cast<size_t>(out_h * (1 + out_w * channels)));
  for (int64_t y = 0; y < out_h; ++y) {
    rows.push_back(0);
    for (int64_t x = 0; x < out_w; ++x) {
      for (int64_t channel = 0; channel < channels; ++channel) {
        int64_t sum = 0, n = 0;
        for (int64_t from = channel * each; from < (channel + 1) * each; ++from) {
          for (int64_t iy = y * block; iy < std::min(h, (y + 1) * block); ++iy) {
            for (int64_t ix = x * block; ix < std::min(w, (x + 1) * block); ++ix, ++n) {
              sum += pixels[static_cast<size_t>((from * h + iy) * w + ix)];
            }
          }
        }
        rows.push_back(static_cast<uint8_t>((sum + n / 2) / n));
      }
    }
  }
  const std::vector<uint8_t> png =
      encode_png(static_cast<uint32_t>(out_w), static_cast<uint32_t>(out_h), channels == 3, rows);
  return "data:image/png;base64," + base64(png);
}

}  // namespace unfold::html
