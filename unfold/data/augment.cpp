#include "unfold/data/augment.h"

#include <algorithm>
#include <charconv>

#include "unfold/error.h"
#include "unfold/random.h"

namespace unfold {

Augmentation augmentation_from(std::string_view text) {
  Augmentation how;
  const auto refuse = [&](std::string_view part) {
    throw Error(ErrorKind::usage, "unknown augmentation")
        .wanted("none, or of flip and cutout:SIDE, each once, with commas")
        .got(part);
  };
  if (text == "none") return how;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view part = text.substr(at, comma - at);
    at = comma + 1;
    constexpr std::string_view kCutout = "cutout:";
    if (part == "flip" && !how.flip) {
      how.flip = true;
    } else if (part.starts_with(kCutout) && how.cutout == 0) {
      const char *begin = part.data() + kCutout.size(), *end = part.data() + part.size();
      const auto [stop, code] = std::from_chars(begin, end, how.cutout);
      if (code != std::errc() || stop != end || how.cutout < 1 || how.cutout > 4096) refuse(part);
    } else {
      refuse(part);
    }
  }
  return how;
}

std::string augmentation_text(const Augmentation& augmentation) {
  std::string text = augmentation.flip ? "flip" : "";
  if (augmentation.cutout > 0)
    text += (text.empty() ? "" : ",") + ("cutout:" + std::to_string(augmentation.cutout));
  return text.empty() ? "none" : text;
}

void augment(const Augmentation& how, const Shape& chw, uint64_t seed, uint64_t epoch, uint64_t sample,
             float* x) {
  const int64_t rows = chw[0] * chw[1], h = chw[1], w = chw[2];
  if (how.flip && Random(seed, "augment.flip", epoch, sample).below(2) == 1) {
    for (int64_t row = 0; row < rows; ++row) std::reverse(x + row * w, x + (row + 1) * w);
  }
  if (how.cutout > 0) {
    Random random(seed, "augment.cutout", epoch, sample);
    const int64_t top = random.below(h) - how.cutout / 2, left = random.below(w) - how.cutout / 2;
    const int64_t y0 = std::max<int64_t>(top, 0), y1 = std::min(top + how.cutout, h);
    const int64_t x0 = std::max<int64_t>(left, 0), x1 = std::min(left + how.cutout, w);
    for (int64_t c = 0; c < chw[0]; ++c) {
      for (int64_t y = y0; y < y1; ++y) std::fill(x + (c * h + y) * w + x0, x + (c * h + y) * w + x1, 0.0f);
    }
  }
}

}  // namespace unfold
