// Any bytes are refused with an Error of kind model, or mean the same when written and read again.
#include <cstdlib>
#include <cstring>

#include "unfold/formats/safetensors.h"

using namespace unfold;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    SafetensorsFile file = parse_safetensors(std::as_bytes(std::span(data, size)), "input");
    const std::vector<std::byte> bytes = serialize_safetensors(file);
    const SafetensorsFile again = parse_safetensors(bytes, "output");
    if (again.metadata != file.metadata || serialize_safetensors(again) != bytes) std::abort();
    for (size_t i = 0; i < file.tensors.size(); ++i) {
      const Tensor &a = file.tensors[i].second, &b = again.tensors[i].second;
      if (again.tensors[i].first != file.tensors[i].first || a.shape() != b.shape()) std::abort();
      if (a.bytes() > 0 && std::memcmp(a.raw(), b.raw(), a.bytes()) != 0) std::abort();
    }
    seal(file);
    if (check_seal(file, "sealed") != Seal::good) std::abort();
    check_seal(again, "output");
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::model || std::strchr(e.what(), '\n')) std::abort();
  }
  return 0;
}
