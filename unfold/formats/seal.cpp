// The checksum that Unfold puts into the metadata of its safetensors files.
#include "unfold/files.h"
#include "unfold/formats/safetensors.h"

namespace unfold {
namespace {

constexpr std::string_view kHint = "the file is damaged; restore it from a copy, or train again";

/// Running CRC-32 over an unambiguous encoding: each text preceded by its length, each number in 8 bytes.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) { crc_ = crc32_of(bytes, crc_); }
  void add(uint64_t number) { add(std::as_bytes(std::span(&number, 1))); }
  void add(std::string_view text) {
    add(uint64_t{text.size()});
    add(std::as_bytes(std::span(text)));
  }
  std::string text() const {
    std::string digits = "crc32:";
    for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[(crc_ >> shift) & 15];
    return digits;
  }

 private:
  uint32_t crc_ = 0;
};

std::string checksum_of(const SafetensorsFile& file) {
  Checksum sum;
  sum.add(uint64_t{file.metadata.size() - file.metadata.count(std::string(kChecksumKey))});
  for (const auto& [key, value] : file.metadata) {
    if (key == kChecksumKey) continue;
    sum.add(key);
    sum.add(value);
  }
  sum.add(uint64_t{file.tensors.size()});
  for (const auto& [name, tensor] : file.tensors) {
    sum.add(name);
    sum.add(dtype_name(tensor.dtype()));
    sum.add(static_cast<uint64_t>(tensor.shape().rank()));
    for (const int64_t size : tensor.shape().sizes()) sum.add(static_cast<uint64_t>(size));
    const Tensor dense = tensor.contiguous() ? tensor : tensor.clone();
    sum.add({static_cast<const std::byte*>(dense.raw()), dense.bytes()});
  }
  return sum.text();
}

}  // namespace

void seal(SafetensorsFile& file) {
  file.metadata[std::string(kChecksumKey)] = checksum_of(file);
}

Seal check_seal(const SafetensorsFile& file, std::string_view where) {
  const auto found = file.metadata.find(std::string(kChecksumKey));
  if (found == file.metadata.end()) {
    // One damaged byte in the key must not turn a sealed file into a foreign one.
    for (const auto& [key, value] : file.metadata) {
      if (!key.starts_with("unfold.") && !value.starts_with("crc32:")) continue;
      throw Error(ErrorKind::model, "the checksum is gone").where(where).hint(kHint);
    }
    return Seal::absent;
  }
  if (found->second != checksum_of(file)) {
    throw Error(ErrorKind::model, "the checksum does not match the content").where(where).hint(kHint);
  }
  return Seal::good;
}

}  // namespace unfold
