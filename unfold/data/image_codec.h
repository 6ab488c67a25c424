// What the readers of the single formats share. Not for users: they call decode_image.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "unfold/data/image.h"
#include "unfold/error.h"

namespace unfold::image_codec {

using Bytes = std::span<const std::byte>;

/// One reader a format. The bytes begin with the format's magic number.
Image decode_png(Bytes bytes, std::string_view where);
Image decode_jpeg(Bytes bytes, std::string_view where);
Image decode_pnm(Bytes bytes, std::string_view where);
Image decode_bmp(Bytes bytes, std::string_view where);

/// Throws a data error unless 1 <= width, height and width * height <= kMaxImagePixels.
void check_size(int64_t width, int64_t height, std::string_view where);

/// Memory that a picture in a file of so many bytes may take while it is read.
constexpr uint64_t memory_for(size_t file) {
  return (uint64_t{56} << 20) + 4 * uint64_t{file};
}
/// Throws a data error if it takes more than that.
void check_memory(uint64_t bytes, size_t file, std::string_view where);

/// A black picture of this size, checked, for a file of so many bytes.
Image make_image(int64_t width, int64_t height, int64_t channels, size_t file, std::string_view where);

/// The error of every picture that cannot be read.
[[noreturn]] void fail_damaged(std::string_view what, std::string_view where);
[[noreturn]] void fail_truncated(std::string_view where, uint64_t wanted, uint64_t got);

/// The orientation (1 to 8) noted in an EXIF block, which starts with its TIFF header; 1 if it is missing or
/// makes no sense.
int exif_orientation(Bytes tiff);

/// The picture as it is to be looked at.
Image oriented(Image image, int orientation);

}  // namespace unfold::image_codec
