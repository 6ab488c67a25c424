// Any bytes are refused with an Error of kind data, or are images whose labels are classes.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "unfold/data/cifar.h"
#include "unfold/error.h"

using namespace unfold;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const int label_bytes : {1, 2}) {
    try {
      Dataset to;
      to.image = {3, 32, 32};
      to.classes.resize(label_bytes == 1 ? 10 : 100);
      parse_cifar(std::as_bytes(std::span(data, size)), label_bytes, "input", to);
      if (std::ssize(to.pixels) != to.size() * 3072 || to.labels.empty()) std::abort();
      if (std::any_of(to.labels.begin(), to.labels.end(), [&](auto l) { return l >= to.classes.size(); }))
        std::abort();
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::data || std::strchr(e.what(), '\n')) std::abort();
    }
  }
  return 0;
}
