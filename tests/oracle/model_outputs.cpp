// What a model gives for some random images: model_outputs MODEL SEED FOLDER writes pixels.npy (the images),
// input.npy (as the network takes them) and logits.npy (with exact sums) for onnx_export_check.py. MODEL is a
// file or a name, then with weights drawn from SEED.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "unfold/formats/model_file.h"
#include "unfold/formats/npy.h"
#include "unfold/random.h"

using namespace unfold;

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    const std::filesystem::path folder = argv[3];
    const Model model = std::filesystem::exists(argv[1])
                            ? load_model(argv[1]).model
                            : make_model(argv[1], std::strtoull(argv[2], nullptr, 10));
    constexpr int64_t kImages = 4;
    const Shape in = model.graph.shape(model.graph.input());
    Tensor pixels(Dtype::u8, {kImages, in[0], model.preprocessing.image_h, model.preprocessing.image_w});
    Random random(1, "model_outputs");
    for (uint8_t& v : pixels.span<uint8_t>()) v = static_cast<uint8_t>(random.below(256));
    Tensor input(Dtype::f32, in.batched(kImages));
    const int64_t bytes = pixels.elements() / kImages;
    for (int64_t i = 0; i < kImages; ++i) {
      preprocess(model.preprocessing,
                 std::as_const(pixels).span<uint8_t>().subspan(static_cast<size_t>(i * bytes),
                                                               static_cast<size_t>(bytes)),
                 input.data<float>() + i * in.elements());
    }
    ThreadPool pool(default_threads());
    Predictor predictor(model, Engine::fast, kImages, pool, Numerics::exact);
    const auto logits = predictor.logits(std::as_const(pixels).span<uint8_t>(), kImages);
    write_npy(folder / "pixels.npy", pixels);
    write_npy(folder / "input.npy", input);
    write_npy(folder / "logits.npy",
              Tensor::from<float>({kImages, static_cast<int64_t>(model.classes.size())}, logits));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
  return 0;
}
