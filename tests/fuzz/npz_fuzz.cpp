// Any bytes are refused with an Error of kind data, or are a data set whose parts fit each other.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "unfold/data/npz.h"
#include "unfold/error.h"

using namespace unfold;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const DatasetPair pair = parse_npz(std::as_bytes(std::span(data, size)), "input");
    for (const Dataset* part : {&pair.train, &pair.test}) {
      if (part->image != pair.train.image || part->classes != pair.train.classes) std::abort();
      if (std::ssize(part->pixels) != part->size() * part->image.elements()) std::abort();
      if (std::any_of(part->labels.begin(), part->labels.end(),
                      [&](auto l) { return l >= part->classes.size(); }))
        std::abort();
    }
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data || std::strchr(e.what(), '\n')) std::abort();
  }
  return 0;
}
