// BMP without compression: 1, 4 or 8 bits by palette, 24 and 32 bits in full.
#include <array>
#include <bit>
#include <string>

#include "unfold/data/image_codec.h"

namespace unfold::image_codec {
namespace {

constexpr size_t kFileHeader = 14;
constexpr uint32_t kPlain = 0, kBitFields = 3;  // values of the compression field

struct Header {
  int64_t width = 0, height = 0;
  bool top_down = false;
  uint32_t bits = 0, data = 0;            // bits a pixel; where the rows begin
  size_t palette = 0, palette_entry = 0;  // where the palette begins, bytes an entry
  size_t colours = 0;                     // entries of the palette
  std::array<uint32_t, 4> masks{};        // of red, green, blue, alpha (0: none) in 32 bits
};

/// The little-endian number at an offset that was checked.
uint32_t number(Bytes bytes, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

Header parse_header(Bytes bytes, std::string_view where) {
  constexpr size_t kCore = 12, kInfo = 40, kInfoV3 = 56;
  const auto need = [&](uint64_t size) {
    if (bytes.size() < size) fail_truncated(where, size, bytes.size());
  };
  need(kFileHeader + 4);
  Header h;
  h.data = number(bytes, 10, 4);
  const size_t size = number(bytes, kFileHeader, 4);
  if (size != kCore && (size < kInfo || size > 256)) fail_damaged("unknown kind of header", where);
  need(kFileHeader + size);
  uint32_t compression = kPlain, used = 0;
  if (size == kCore) {
    h.width = number(bytes, 18, 2);
    h.height = number(bytes, 20, 2);
    h.bits = number(bytes, 24, 2);
    h.palette_entry = 3;
  } else {
    h.width = static_cast<int32_t>(number(bytes, 18, 4));
    h.height = static_cast<int32_t>(number(bytes, 22, 4));
    h.bits = number(bytes, 28, 2);
    compression = number(bytes, 30, 4);
    used = number(bytes, 46, 4);
    h.palette_entry = 4;
  }
  h.top_down = h.height < 0;
  if (h.top_down) h.height = -h.height;
  check_size(h.width, h.height, where);
  if (compression != kPlain && !(compression == kBitFields && h.bits == 32)) {
    throw Error(ErrorKind::data, "compressed BMP pictures are not supported")
        .where(where)
        .hint("convert it to PNG or JPEG");
  }
  h.palette = kFileHeader + size;
  h.masks = {0xff0000, 0xff00, 0xff, 0};
  if (compression == kBitFields) {
    const size_t masks = size >= kInfoV3 ? 4 : 3;  // a short header has the three of the colours behind it
    need(kFileHeader + kInfo + masks * 4);
    for (size_t i = 0; i < masks; ++i) h.masks[i] = number(bytes, kFileHeader + kInfo + i * 4, 4);
    for (size_t i = 0; i < 4; ++i) {
      const uint32_t mask = h.masks[i];
      if (mask == 0 ? i < 3 : mask >> std::countr_zero(mask) != 0xff) {
        fail_damaged("colours of other than 8 bits", where);
      }
    }
  }
  if (h.bits == 1 || h.bits == 4 || h.bits == 8) {
    h.colours = used == 0 ? size_t{1} << h.bits : used;
    if (h.colours > size_t{1} << h.bits) fail_damaged("a palette of too many colours", where);
    need(h.palette + h.colours * h.palette_entry);
  } else if (h.bits != 24 && h.bits != 32) {
    throw Error(ErrorKind::data, "BMP pictures of this many bits a pixel are not supported")
        .where(where)
        .wanted("1, 4, 8, 24 or 32")
        .got(std::to_string(h.bits))
        .hint("convert it to PNG or JPEG");
  }
  if (h.data < kFileHeader + size) fail_damaged("the pixels begin inside the header", where);
  return h;
}

}  // namespace

Image decode_bmp(Bytes bytes, std::string_view where) {
  const Header h = parse_header(bytes, where);
  const uint64_t stride = (static_cast<uint64_t>(h.width) * h.bits + 31) / 32 * 4;
  const uint64_t end = h.data + stride * static_cast<uint64_t>(h.height);
  if (bytes.size() < end) fail_truncated(where, end, bytes.size());

  const int64_t channels = h.masks[3] != 0 ? 4 : 3;
  Image image = make_image(h.width, h.height, channels, bytes.size(), where);
  uint8_t* to = image.pixels.data();
  for (int64_t y = 0; y < h.height; ++y) {
    const auto row = static_cast<uint64_t>(h.top_down ? y : h.height - 1 - y);
    const Bytes from = bytes.subspan(h.data + row * stride, stride);
    for (size_t x = 0; x < static_cast<size_t>(h.width); ++x) {
      if (h.colours != 0) {
        const size_t bit = x * h.bits;
        const uint32_t byte = number(from, bit / 8, 1);
        const size_t colour = byte >> (8 - h.bits - bit % 8) & ((1u << h.bits) - 1);
        if (colour >= h.colours) fail_damaged("a colour that is not in the palette", where);
        const size_t at = h.palette + colour * h.palette_entry;
        for (size_t c = 3; c-- > 0;) *to++ = std::to_integer<uint8_t>(bytes[at + c]);
      } else if (h.bits == 24) {
        for (size_t c = 3; c-- > 0;) *to++ = std::to_integer<uint8_t>(from[x * 3 + c]);
      } else {
        const uint32_t pixel = number(from, x * 4, 4);
        for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
          *to++ = static_cast<uint8_t>((pixel & h.masks[c]) >> std::countr_zero(h.masks[c]));
        }
      }
    }
  }
  return image;
}

}  // namespace unfold::image_codec
