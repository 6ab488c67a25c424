// Text and pictures made safe for an HTML page.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "unfold/shape.h"

namespace unfold::html {

/// `text` as the content of an element or of a quoted attribute: & < > " ' are escaped; whatever HTML forbids
/// (bytes that are no UTF-8, control characters, noncharacters) becomes U+FFFD, a line break a blank. At most
/// `limit` characters, the last of which is an ellipsis if some were cut.
std::string escape(std::string_view text, size_t limit = SIZE_MAX);

/// A name a user chose: escaped, and isolated so that right-to-left text turns nothing around it.
std::string name(std::string_view text, size_t limit = SIZE_MAX);

/// `value` with `digits` decimals and a decimal point in every locale; an em dash if it is not finite.
std::string number(double value, int digits);
/// `value` with at most `digits` digits that count, "0.00125", "5e-06"; an em dash if it is not finite.
std::string significant(double value, int digits);
/// 12345 as "12,345".
std::string count(int64_t value);
/// 0.98123 as "98.12 %".
std::string percent(double share, int digits = 2);

std::string base64(std::span<const uint8_t> bytes);

/// A picture as a PNG in a data: address. `image` is (C, H, W), `pixels` its bytes: 1 channel is grey, 3 are
/// red, green, blue, of any other number the mean is shown. A picture wider or higher than `side` is
/// averaged down by a whole factor. Throws usage if `image` has not three axes, is empty or does not match
/// `pixels`.
std::string png_address(const Shape& image, std::span<const uint8_t> pixels, int64_t side);

}  // namespace unfold::html
