#include "unfold/data/tar.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "unfold/data/gzip.h"
#include "unfold/error.h"

namespace unfold {
namespace {

constexpr size_t kBlock = 512;
using Block = std::array<std::byte, kBlock>;

/// A header field up to its first NUL.
std::string_view field(const Block& header, size_t at, size_t length) {
  const std::string_view text(reinterpret_cast<const char*>(header.data()) + at, length);
  return text.substr(0, text.find('\0'));
}

/// An octal number; false if it is none.
bool octal(std::string_view text, uint64_t& value) {
  value = 0;
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '7'; ++digits) {
    value = value * 8 + static_cast<uint64_t>(text[digits] - '0');  // at most 12 digits: 36 bits
  }
  return digits > 0 && text.find_first_not_of(' ', digits) == std::string_view::npos;
}

bool checksum_right(const Block& header) {
  uint64_t claimed = 0;
  if (!octal(field(header, 148, 8), claimed)) return false;
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    sum += i >= 148 && i < 156 ? uint64_t{' '} : std::to_integer<uint64_t>(header[i]);
  }
  return sum == claimed;
}

}  // namespace

void read_tar_gz(std::span<const std::byte> bytes, std::string_view where,
                 const std::function<bool(std::string_view name, uint64_t size)>& wanted,
                 const std::function<void(std::string_view name, std::vector<std::byte> content)>& take) {
  const auto damaged = [&] { return Error(ErrorKind::data, "the tar archive is damaged").where(where); };
  GzipReader reader(bytes, where);
  Block header;
  while (true) {
    const size_t n = reader.read(header);
    if (n == 0) return;
    if (n < kBlock) throw damaged();
    if (std::all_of(header.begin(), header.end(), [](std::byte b) { return b == std::byte{0}; })) return;
    uint64_t size = 0;
    if (!checksum_right(header) || !octal(field(header, 124, 12), size)) throw damaged();
    std::string name(field(header, 0, 100));
    if (field(header, 257, 5) == "ustar" && !field(header, 345, 155).empty()) {
      name = std::string(field(header, 345, 155)) + "/" + name;
    }
    const auto type = static_cast<char>(header[156]);
    uint64_t rest = (size + kBlock - 1) / kBlock * kBlock;
    if ((type == '0' || type == '\0') && wanted(name, size)) {
      if (size > bytes.size() * kMaxInflation) throw damaged();  // before anything is allocated
      std::vector<std::byte> content(size);
      if (reader.read(content) < size) throw damaged();
      rest -= size;
      take(name, std::move(content));
    }
    Block skipped;
    for (; rest > 0; rest -= std::min<uint64_t>(rest, kBlock)) {
      const size_t step = static_cast<size_t>(std::min<uint64_t>(rest, kBlock));
      if (reader.read(std::span(skipped).first(step)) < step) throw damaged();
    }
  }
}

}  // namespace unfold
