// PGM and PPM, as text (P2, P3) or binary (P5, P6), up to 16 bits.
#include <string>

#include "unfold/data/image_codec.h"

namespace unfold::image_codec {
namespace {

/// Reads the decimal numbers of a header, or of a whole text picture.
class Numbers {
 public:
  Numbers(Bytes bytes, size_t at, std::string_view where) : bytes_(bytes), at_(at), where_(where) {}

  /// The next number; white space and comments (# to the end of the line) before it are skipped.
  int64_t next() {
    constexpr int64_t kMax = int64_t{1} << 40;
    while (at_ < bytes_.size() && (space(peek()) || peek() == '#')) {
      if (peek() == '#') {
        while (at_ < bytes_.size() && peek() != '\n') ++at_;
      } else {
        ++at_;
      }
    }
    if (at_ == bytes_.size()) fail_truncated(where_, at_ + 1, at_);
    if (!digit(peek())) fail_damaged("a number is missing", where_);
    int64_t value = 0;
    while (at_ < bytes_.size() && digit(peek())) {
      value = value * 10 + (peek() - '0');
      if (value > kMax) fail_damaged("a number is too large", where_);
      ++at_;
    }
    return value;
  }

  /// Skips the one white-space character that ends a binary header; the bytes behind it.
  Bytes rest() {
    if (at_ == bytes_.size()) fail_truncated(where_, at_ + 1, at_);
    if (!space(peek())) fail_damaged("the header does not end", where_);
    return bytes_.subspan(++at_);
  }

  size_t left() const { return bytes_.size() - at_; }

 private:
  char peek() const { return static_cast<char>(bytes_[at_]); }
  static bool digit(char c) { return c >= '0' && c <= '9'; }
  static bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

  Bytes bytes_;
  size_t at_;
  std::string_view where_;
};

}  // namespace

Image decode_pnm(Bytes bytes, std::string_view where) {
  const char kind = static_cast<char>(bytes[1]);
  const bool text = kind == '2' || kind == '3';
  const int64_t channels = kind == '2' || kind == '5' ? 1 : 3;
  Numbers numbers(bytes, 2, where);
  const int64_t width = numbers.next(), height = numbers.next();
  check_size(width, height, where);
  const int64_t max = numbers.next();
  if (max < 1 || max > 65535) fail_damaged("the largest value must be 1 to 65535", where);
  const auto scaled = [&](int64_t value) {
    if (value > max) fail_damaged("a value is above the largest", where);
    return static_cast<uint8_t>((value * 255 + max / 2) / max);
  };

  const auto samples = static_cast<size_t>(width * height * channels);
  if (text) {
    // Each number needs a digit and something in front of it.
    if (numbers.left() < 2 * samples) fail_truncated(where, bytes.size() + 1, bytes.size());
    Image image = make_image(width, height, channels, bytes.size(), where);
    for (uint8_t& pixel : image.pixels) pixel = scaled(numbers.next());
    return image;
  }
  const Bytes data = numbers.rest();
  const size_t wide = max > 255 ? 2 : 1;
  if (data.size() < samples * wide) {
    fail_truncated(where, bytes.size() - data.size() + samples * wide, bytes.size());
  }
  Image image = make_image(width, height, channels, bytes.size(), where);
  for (size_t i = 0; i < samples; ++i) {
    int64_t value = std::to_integer<int64_t>(data[i * wide]);
    if (wide == 2) value = value * 256 + std::to_integer<int64_t>(data[i * wide + 1]);
    image.pixels[i] = scaled(value);
  }
  return image;
}

}  // namespace unfold::image_codec
