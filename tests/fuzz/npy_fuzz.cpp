// Any bytes are refused with an Error of kind data, or mean the same when written and read again.
#include <cstdlib>
#include <cstring>

#include "unfold/formats/npy.h"

using namespace unfold;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const Tensor a = parse_npy(std::as_bytes(std::span(data, size)), "input");
    const Tensor b = parse_npy(serialize_npy(a), "output");
    if (!a.contiguous() || a.dtype() != b.dtype() || a.shape() != b.shape()) std::abort();
    if (a.bytes() > 0 && std::memcmp(a.raw(), b.raw(), a.bytes()) != 0) std::abort();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data || std::strchr(e.what(), '\n')) std::abort();
  }
  return 0;
}
