// What a program needs of unfold::core: Highway, zlib and threads, nothing else. Links the kernels and the
// IDX reader.
#include <cstdio>
#include <vector>

#include "unfold/data/idx.h"
#include "unfold/error.h"
#include "unfold/kernels/im2col.h"
#include "unfold/version.h"

int main() {
  using namespace unfold;
  // A 3x3 image under a 2x2 window: col2im(im2col(x)) counts how often each pixel is covered.
  const Conv2dShape shape = Conv2dShape::infer(Shape{1, 1, 3, 3}, 1, Window2d::square(2), "conv");
  const std::vector<float> image(9, 1.0f);
  std::vector<float> columns(static_cast<size_t>(shape.columns())), folded(9);
  im2col(shape, image.data(), columns.data(), shape.pixels());
  col2im(shape, columns.data(), shape.pixels(), folded.data());
  if (folded != std::vector<float>{1, 2, 1, 2, 4, 2, 1, 2, 1}) return 1;

  try {
    parse_idx_images({}, "nothing");
    return 1;
  } catch (const Error& error) {
    std::printf("unfold %s: %s\n", kVersion, error.what());
  }
  return 0;
}
