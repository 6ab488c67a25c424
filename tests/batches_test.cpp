// Inference: an image gives the same bits alone and in any batch, at any place in it, with Winograd's kernels
// and without, in networks of every kind.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "unfold/model.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

constexpr int64_t kImages = 64;

struct Images {
  int64_t bytes;
  std::vector<uint8_t> pixels;
  explicit Images(const Model& model)
      : bytes(model.graph.shape(model.graph.input())[0] * model.preprocessing.image_h *
              model.preprocessing.image_w),
        pixels(static_cast<size_t>(kImages * bytes)) {
    Random random(5, "pixels");
    for (uint8_t& v : pixels) v = static_cast<uint8_t>(random.bits());
  }
};

/// The logits of all images, asked for `batch` at a time, beginning with image `shift`.
std::vector<float> logits(const Model& model, const Images& images, int64_t batch, int64_t shift,
                          Numerics numerics, ThreadPool& pool) {
  const size_t classes = model.classes.size();
  Predictor predictor(model, Engine::fast, batch, pool, numerics);
  std::vector<float> all(kImages * classes);
  std::vector<uint8_t> some(static_cast<size_t>(batch * images.bytes));
  for (int64_t first = 0; first < kImages; first += batch) {
    const int64_t n = std::min(batch, kImages - first);
    const auto number = [&](int64_t i) { return (first + i + shift) % kImages; };
    for (int64_t i = 0; i < n; ++i)
      std::copy_n(images.pixels.begin() + number(i) * images.bytes, images.bytes,
                  some.begin() + i * images.bytes);
    const auto found = predictor.logits(some, n);
    for (int64_t i = 0; i < n; ++i)
      std::copy_n(found.begin() + i * static_cast<int64_t>(classes), classes,
                  all.begin() + number(i) * static_cast<int64_t>(classes));
  }
  return all;
}

void check(const char* name, const ModelOptions& options) {
  CAPTURE(name);
  const Model model = make_model(name, 2, options);
  const Images images(model);
  ThreadPool pool(2);
  for (const Numerics numerics : {Numerics::fast, Numerics::exact}) {
    CAPTURE(numerics_name(numerics));
    const auto alone = logits(model, images, 1, 0, numerics, pool);
    // Every place of a batch holds some image, and with the shifts each image stands in several.
    for (const auto& [batch, shift] : {std::pair{7, 0}, {16, 0}, {16, 5}, {64, 0}, {64, 21}}) {
      CAPTURE(batch);
      CAPTURE(shift);
      CHECK(logits(model, images, batch, shift, numerics, pool) == alone);
    }
  }
}

}  // namespace

TEST_CASE("small networks: any batch, any place, the same bits") {
  check("lenet5", {});
  check("resnet20", {});
  check("mobilenet_v2", {.image = Shape{3, 32, 32}, .classes = 10});
  check("squeezenet1_0", {.image = Shape{3, 48, 48}, .classes = 10});
}

TEST_CASE("wide networks: any batch, any place, the same bits") {
  check("alexnet-small", {});
  check("vgg11_bn-small", {});
}
