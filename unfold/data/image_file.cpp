#include "unfold/data/image_file.h"

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "unfold/data/image_codec.h"
#include "unfold/files.h"

namespace unfold {
namespace {

using image_codec::Bytes;

constexpr std::string_view kReadable = "use PNG, JPEG, PGM, PPM or BMP";

/// Whether the bytes at `offset` are those of `magic`.
bool has(Bytes bytes, size_t offset, std::string_view magic) {
  return bytes.size() >= offset + magic.size() &&
         std::memcmp(bytes.data() + offset, magic.data(), magic.size()) == 0;
}

/// The name of a format that is known but not read, or nothing.
std::string_view foreign_format(Bytes bytes) {
  using namespace std::string_view_literals;
  struct Magic {
    size_t offset;
    std::string_view magic, name;
  };
  static constexpr std::array kMagics{
      Magic{0, "GIF8"sv, "GIF"},         Magic{8, "WEBP"sv, "WebP"},      Magic{4, "ftypavif"sv, "AVIF"},
      Magic{4, "ftyp"sv, "HEIC"},        Magic{0, "II*\0"sv, "TIFF"},     Magic{0, "MM\0*"sv, "TIFF"},
      Magic{0, "%PDF"sv, "PDF"},         Magic{0, "<svg"sv, "SVG"},       Magic{0, "<?xml"sv, "SVG"},
      Magic{0, "8BPS"sv, "Photoshop"},   Magic{4, "jP  "sv, "JPEG 2000"}, Magic{4, "JXL "sv, "JPEG XL"},
      Magic{0, "\xff\x0a"sv, "JPEG XL"}, Magic{0, "P1"sv, "PBM"},         Magic{0, "P4"sv, "PBM"},
      Magic{0, "P7"sv, "PAM"},           Magic{0, "\0\0\1\0"sv, "ICO"},
  };
  for (const Magic& m : kMagics) {
    if (has(bytes, m.offset, m.magic)) return m.name;
  }
  return {};
}

}  // namespace

Image decode_image(Bytes bytes, std::string_view where) {
  using namespace std::string_view_literals;
  if (bytes.empty()) throw Error(ErrorKind::data, "the file is empty").where(where).hint(kReadable);
  if (has(bytes, 0, "\x89PNG\r\n\x1a\n"sv)) return image_codec::decode_png(bytes, where);
  if (has(bytes, 0, "\xff\xd8\xff"sv)) return image_codec::decode_jpeg(bytes, where);
  if (has(bytes, 0, "BM"sv)) return image_codec::decode_bmp(bytes, where);
  for (std::string_view magic : {"P2"sv, "P3"sv, "P5"sv, "P6"sv}) {
    if (has(bytes, 0, magic)) return image_codec::decode_pnm(bytes, where);
  }
  if (const auto name = foreign_format(bytes); !name.empty()) {
    throw Error(ErrorKind::data, std::string(name) + " pictures are not supported")
        .where(where)
        .hint("convert it to PNG or JPEG");
  }
  throw Error(ErrorKind::data, "this is no picture that can be read").where(where).hint(kReadable);
}

Image read_image(const std::filesystem::path& path) {
  // The largest picture allowed, as an uncompressed one of 16 bits and four channels.
  constexpr uint64_t kMaxFile = uint64_t{8} * kMaxImagePixels + (1 << 20);
  return decode_image(read_file(path, ErrorKind::data, kMaxFile), path.string());
}

namespace image_codec {

void check_size(int64_t width, int64_t height, std::string_view where) {
  constexpr int64_t kMaxSide = int64_t{1} << 31;
  if (width < 1 || height < 1) fail_damaged("a picture without pixels", where);
  if (width > kMaxSide || height > kMaxSide || width * height > kMaxImagePixels) {
    throw Error(ErrorKind::data, "the picture is too large")
        .where(where)
        .wanted("at most " + std::to_string(kMaxImagePixels / 1'000'000) + " megapixels")
        .got(std::to_string(width) + "x" + std::to_string(height))
        .hint("scale it down first");
  }
}

void check_memory(uint64_t bytes, size_t file, std::string_view where) {
  if (bytes <= memory_for(file)) return;
  throw Error(ErrorKind::data, "the picture is too large for its file")
      .where(where)
      .wanted("at most " + std::to_string(memory_for(file)) + " bytes in memory")
      .got(std::to_string(bytes))
      .hint("scale it down first");
}

Image make_image(int64_t width, int64_t height, int64_t channels, size_t file, std::string_view where) {
  check_size(width, height, where);
  check_memory(static_cast<uint64_t>(width * height * channels), file, where);
  return {width, height, channels, std::vector<uint8_t>(static_cast<size_t>(width * height * channels))};
}

void fail_damaged(std::string_view what, std::string_view where) {
  throw Error(ErrorKind::data, "damaged picture: " + std::string(what))
      .where(where)
      .hint("save or copy it again");
}

void fail_truncated(std::string_view where, uint64_t wanted, uint64_t got) {
  throw Error(ErrorKind::data, "damaged picture: the file is cut short")
      .where(where)
      .wanted("at least " + std::to_string(wanted) + " bytes")
      .got(std::to_string(got))
      .hint("save or copy it again");
}

int exif_orientation(Bytes tiff) {
  constexpr size_t kEntry = 12;
  constexpr uint32_t kOrientation = 0x0112, kShort = 3;
  if (tiff.size() < 8) return 1;
  const bool little = has(tiff, 0, "II");
  if (!little && !has(tiff, 0, "MM")) return 1;
  const auto number = [&](size_t at, size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) {
      value = value << 8 | std::to_integer<uint32_t>(tiff[at + (little ? bytes - 1 - i : i)]);
    }
    return value;
  };
  const size_t directory = number(4, 4);
  if (directory > tiff.size() - 2) return 1;
  const size_t entries = number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + i * kEntry;
    if (at + kEntry > tiff.size()) return 1;
    if (number(at, 2) != kOrientation || number(at + 2, 2) != kShort) continue;
    const auto orientation = static_cast<int>(number(at + 8, 2));
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
  }
  return 1;
}

Image oriented(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool swapped = orientation >= 5;  // rows become columns
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Image out = image;
  if (swapped) std::swap(out.width, out.height);
  const auto c = static_cast<size_t>(image.channels);
  uint8_t* to = out.pixels.data();
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x, to += c) {
      const int64_t row = swapped ? x : y, column = swapped ? y : x;
      const int64_t from_y = flip_y ? image.height - 1 - row : row;
      const int64_t from_x = flip_x ? image.width - 1 - column : column;
      std::memcpy(to, image.at(from_y, from_x).data(), c);
    }
  }
  return out;
}

}  // namespace image_codec
}  // namespace unfold
