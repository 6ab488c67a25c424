// Pictures from files: PNG, JPEG, PGM/PPM and BMP, told apart by content, never by name.
//
// What a file does to hide its pixels is undone here: palettes are expanded, transparent colours become
// alpha, 16 bits are rounded to 8, CMYK becomes RGB, and the turn noted by a camera (EXIF) is applied.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "unfold/data/image.h"

namespace unfold {

/// Larger pictures are refused by their header, before memory is spent on them.
inline constexpr int64_t kMaxImagePixels = 64'000'000;

/// The picture in the bytes of a file; `where` names it in errors. Where its pixels would take more than 56
/// MiB and four times the file, a JPEG is decoded at half, a quarter or an eighth of its size; another
/// picture is refused. Throws a data error for bytes that are no picture, a format that is not read here
/// (named), a picture that is damaged, incomplete or too large.
Image decode_image(std::span<const std::byte> bytes, std::string_view where);

/// decode_image of the bytes of a file. Throws a data error naming the path.
Image read_image(const std::filesystem::path& path);

/// The bytes of a PNG file that holds the picture. Throws usage if its sizes and its pixels do not fit.
std::vector<std::byte> encode_png(const Image& image);

}  // namespace unfold
