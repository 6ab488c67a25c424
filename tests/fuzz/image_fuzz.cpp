// Any bytes are refused with an Error of kind data, or are a picture that is the same when saved and read
// again.
#include <cstdlib>
#include <cstring>

#include "unfold/data/fit_picture.h"
#include "unfold/data/image_file.h"
#include "unfold/error.h"

using namespace unfold;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const Image image = decode_image(std::as_bytes(std::span(data, size)), "input");
    if (image.width < 1 || image.height < 1 || image.channels < 1 || image.channels > 4) std::abort();
    if (std::ssize(image.pixels) != image.width * image.height * image.channels) std::abort();
    if (image.pixels.size() > 4096) return 0;
    if (decode_image(encode_png(image), "output").pixels != image.pixels) std::abort();
    if (fit_picture(image, 3, 5, 7).size() != 105) std::abort();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data || std::strchr(e.what(), '\n')) std::abort();
  }
  return 0;
}
