#include "cli/pictures.h"

#include <algorithm>
#include <filesystem>

#include "unfold/data/digit.h"
#include "unfold/data/fit_picture.h"
#include "unfold/data/image_file.h"
#include "unfold/error.h"
#include "unfold/train/html.h"

namespace unfold::cli {
namespace {

constexpr int64_t kThumbnail = 160;  // pixels

/// (H, W, C) to (3, H, W) or (1, H, W), alpha dropped.
std::vector<uint8_t> planes(const Image& image) {
  const int64_t channels = image.channels >= 3 ? 3 : 1;
  std::vector<uint8_t> planes(static_cast<size_t>(channels * image.height * image.width));
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      for (int64_t c = 0; c < channels; ++c)
        planes[static_cast<size_t>((c * image.height + y) * image.width + x)] =
            image.at(y, x)[static_cast<size_t>(c)];
    }
  }
  return planes;
}

/// Mean brightness of the outermost pixels of (h, w) bytes, 0 to 1.
double edge(const std::vector<uint8_t>& pixels, int64_t h, int64_t w) {
  double sum = 0, count = 0;
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; x += y == 0 || y == h - 1 ? 1 : std::max<int64_t>(1, w - 1)) {
      sum += pixels[static_cast<size_t>(y * w + x)] / 255.0;
      count += 1;
    }
  }
  return sum / count;
}

/// By its name: also of kinds that cannot be read, which is then said of the picture.
bool named_as_picture(const std::filesystem::path& path) {
  std::string end = path.extension().string();
  std::transform(end.begin(), end.end(), end.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* known : {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pnm", ".gif", ".tif", ".tiff",
                            ".webp", ".heic", ".avif"}) {
    if (end == known) return true;
  }
  return false;
}

}  // namespace

std::pair<std::string, std::vector<std::string>> model_and_pictures(const std::vector<std::string>& words,
                                                                    const std::string& command) {
  const std::filesystem::path first = words.front();
  std::error_code code;
  const bool model = first.extension() == ".safetensors" || first.extension() == ".onnx" ||
                     std::filesystem::is_directory(first, code) ||
                     (words.size() > 1 && !named_as_picture(first));
  if (!model) return {"", words};
  if (words.size() < 2) {
    throw Error(ErrorKind::usage, "no picture to look at")
        .hint("unfold " + command + " " + words.front() + " my_digit.png");
  }
  return {words.front(), {words.begin() + 1, words.end()}};
}

Picture see_picture(const Model& model, const std::string& path, bool invert) {
  Picture picture{.image = read_image(path), .pixels = {}, .note = {}, .advice = {}};
  const Preprocessing& how = model.preprocessing;
  const int64_t channels = model.graph.shape(model.graph.input())[0];
  if (how.digit && channels == 1 && how.image_h == DigitView::kSide && how.image_w == DigitView::kSide) {
    if (invert) {
      throw Error(ErrorKind::usage, "--invert is for pictures that are no digits")
          .where(model.name)
          .hint("leave it out: a digit is found, dark on light or light on dark");
    }
    DigitView view = see_digit(picture.image);
    picture.pixels = std::move(view.pixels);
    picture.note = std::move(view.note);
    return picture;
  }
  if (channels != 1 && channels != 3) {
    throw Error(ErrorKind::model, "the model does not say how pictures become its input")
        .where(model.name)
        .wanted("an input of 1 or 3 channels")
        .got(std::to_string(channels));
  }
  picture.pixels = fit_picture(picture.image, channels, how.image_h, how.image_w);
  if (!invert && channels == 1 && how.mean[0] < 0.5 &&
      edge(picture.pixels, how.image_h, how.image_w) > 0.75) {
    picture.advice = "light at its edges, where " + model.trained_on + " is dark: try --invert";
  }
  if (invert) {
    for (uint8_t& v : picture.pixels) v = static_cast<uint8_t>(255 - v);
  }
  return picture;
}

std::string thumbnail(const Image& image) {
  return html::png_address({image.channels >= 3 ? 3 : 1, image.height, image.width}, planes(image),
                           kThumbnail);
}

}  // namespace unfold::cli
