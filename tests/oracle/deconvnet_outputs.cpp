// What a trained model's DeconvNet finds in a picture: deconvnet_outputs MODEL PICTURE LAYER FOLDER writes
// input.npy (as the network takes it), and of the units that the picture excites most units.npy (unit, row,
// column of the strongest cell) and pixels.npy (their images), for deconvnet_check.py.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <span>

#include "unfold/data/fit_picture.h"
#include "unfold/data/image_file.h"
#include "unfold/explain/deconvnet.h"
#include "unfold/formats/model_file.h"
#include "unfold/formats/npy.h"

using namespace unfold;

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  try {
    const Model model = load_model(argv[1]).model;
    const Preprocessing& how = model.preprocessing;
    const Shape in = model.graph.shape(model.graph.input());
    std::vector<float> x(static_cast<size_t>(in.elements()));
    preprocess(how, fit_picture(read_image(argv[2]), in[0], how.image_h, how.image_w), x.data());
    const Walk walk(model, x);
    const ValueId layer = layer_named(model.graph, argv[3]).output;
    const Shape maps = model.graph.shape(layer);
    const std::span<const float> values = walk.value(layer);
    const auto peak = [&](int64_t unit) {
      const auto from = values.begin() + unit * maps[1] * maps[2];
      return *std::max_element(from, from + maps[1] * maps[2]);
    };
    std::vector<int64_t> units(static_cast<size_t>(maps[0]));
    std::iota(units.begin(), units.end(), int64_t{0});
    std::ranges::stable_sort(units, [&](int64_t a, int64_t b) { return peak(a) > peak(b); });
    units.resize(std::min<size_t>(units.size(), 16));
    std::vector<int64_t> cells;
    std::vector<float> pixels;
    for (const int64_t unit : units) {
      const Cell at = strongest(walk, layer, unit);
      cells.insert(cells.end(), {unit, at.y, at.x});
      const std::vector<float> one = deconvnet(walk, layer, unit, at);
      pixels.insert(pixels.end(), one.begin(), one.end());
    }
    const std::filesystem::path folder = argv[4];
    const auto n = static_cast<int64_t>(units.size());
    write_npy(folder / "input.npy", Tensor::from<float>(in, x));
    write_npy(folder / "units.npy", Tensor::from<int64_t>({n, 3}, cells));
    write_npy(folder / "pixels.npy", Tensor::from<float>(in.batched(n), pixels));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
  return 0;
}
