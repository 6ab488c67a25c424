// make_settings FILE: small convolutions in whole numbers, computed by the reference kernels, for the page's
// loops.
#include <nlohmann/json.hpp>

#include "unfold/files.h"
#include "unfold/kernels/reference/conv2d.h"
#include "unfold/random.h"

using namespace unfold;

namespace {

std::vector<double> whole(Random& random, int64_t count) {
  std::vector<double> numbers(static_cast<size_t>(count));
  for (double& v : numbers) v = static_cast<double>(random.below(9) - 4);
  return numbers;
}

nlohmann::json setting(Random& random, int64_t index) {
  Conv2dShape s;
  Window2d& k = s.window;
  do {
    k.groups = index % 3 == 0 ? 2 : 1;
    s.n = 1;
    s.ic = k.groups * (1 + random.below(2));
    s.oc = k.groups * (1 + random.below(2));
    s.ih = 3 + random.below(5);
    s.iw = 3 + random.below(5);
    k.kernel_h = 1 + random.below(3);
    k.kernel_w = 1 + random.below(3);
    k.stride_h = 1 + random.below(3);
    k.stride_w = 1 + random.below(3);
    k.pad_top = random.below(3);
    k.pad_left = random.below(3);
    k.pad_bottom = random.below(3);
    k.pad_right = random.below(3);
    k.dilation_h = 1 + random.below(2);
    k.dilation_w = 1 + random.below(2);
    s.oh = s.ih + k.pad_top + k.pad_bottom - k.dilation_h * (k.kernel_h - 1) - 1;
    s.ow = s.iw + k.pad_left + k.pad_right - k.dilation_w * (k.kernel_w - 1) - 1;
  } while (s.oh < 0 || s.ow < 0);
  s.oh = s.oh / k.stride_h + 1;
  s.ow = s.ow / k.stride_w + 1;
  const std::vector<double> x = whole(random, s.ic * s.ih * s.iw), w = whole(random, s.oc * s.patch()),
                            b = whole(random, s.oc), dy = whole(random, s.oc * s.pixels());
  std::vector<double> y(dy.size()), dx(x.size()), dw(w.size()), db(b.size());
  reference::conv2d_forward(s, x.data(), w.data(), b.data(), y.data());
  reference::conv2d_backward_data(s, w.data(), dy.data(), dx.data());
  reference::conv2d_backward_weights(s, x.data(), dy.data(), dw.data(), db.data());
  return {{"name", "setting " + std::to_string(index)},
          {"sizes",
           {{"C", s.ic},
            {"H", s.ih},
            {"W", s.iw},
            {"OC", s.oc},
            {"OH", s.oh},
            {"OW", s.ow},
            {"KH", k.kernel_h},
            {"KW", k.kernel_w},
            {"SH", k.stride_h},
            {"SW", k.stride_w},
            {"PT", k.pad_top},
            {"PL", k.pad_left},
            {"DH", k.dilation_h},
            {"DW", k.dilation_w},
            {"groups", k.groups}}},
          {"x", x},
          {"w", w},
          {"b", b},
          {"dy", dy},
          {"y", y},
          {"dx", dx},
          {"dw", dw},
          {"db", db}};
}

}  // namespace

int main(int, char** arguments) {
  Random random(1, "settings");
  nlohmann::json settings = nlohmann::json::array();
  for (int64_t i = 0; i < 120; ++i) settings.push_back(setting(random, i));
  write_file(arguments[1], settings.dump());
}
