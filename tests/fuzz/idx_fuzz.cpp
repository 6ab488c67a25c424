// Any bytes are refused with an Error of kind data, or are images or labels whose bytes are as many as was
// said.
#include <cstdlib>
#include <cstring>

#include "unfold/data/idx.h"
#include "unfold/error.h"

using namespace unfold;

namespace {

template <class Parse>
void try_to(Parse parse) {
  try {
    parse();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data || std::strchr(e.what(), '\n')) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  try_to([&] {
    const IdxImages images = parse_idx_images(bytes, "input");
    if (std::ssize(images.pixels) != images.count * images.rows * images.columns) std::abort();
    const Dataset set{"again", {1, images.rows, images.columns}, images.pixels, {}, {}};
    Dataset whole = set;
    whole.labels.resize(static_cast<size_t>(images.count));
    if (parse_idx_images(idx_images_bytes(whole), "output").pixels != images.pixels) std::abort();
  });
  try_to([&] { parse_idx_labels(bytes, "input"); });
  return 0;
}
