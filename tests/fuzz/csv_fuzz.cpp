// Any bytes are refused with an Error of kind data, or are a label for each square image.
#include <cstdlib>
#include <cstring>

#include "unfold/data/csv_images.h"
#include "unfold/data/split.h"
#include "unfold/error.h"

using namespace unfold;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    Dataset to;
    parse_csv(std::as_bytes(std::span(data, size)), "input", to);
    if (to.labels.empty() || to.image[1] != to.image[2]) std::abort();
    if (std::ssize(to.pixels) != to.size() * to.image.elements()) std::abort();
    to.classes = numbered_classes(to, "input");
    const int64_t images = to.size();
    const Dataset test = take_test_images(to);
    if (to.size() + test.size() != images) std::abort();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data || std::strchr(e.what(), '\n')) std::abort();
  }
  return 0;
}
