#include "cli/pictures.h"

#include <algorithm>
#include <filesystem>

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

}  // namespace

std::pair<std::string, std::vector<std::string>> model_and_pictures(const std::vector<std::string>& words,
                                                                    const std::string& command) {
  const std::filesystem::path first = words.front();
  std::error_code code;
  const bool model = first.extension() == ".safetensors" || std::filesystem::is_directory(first, code);
  if (!model) return {"", words};
  if (words.size() < 2) {
    throw Error(ErrorKind::usage, "no picture to look at")
        .hint("unfold " + command + " " + words.front() + " my_digit.png");
  }
  return {words.front(), {words.begin() + 1, words.end()}};
}

DigitView see(const Model& model, const std::string& path) {
  const Image image = read_image(path);
  if (!model.preprocessing.digit || model.preprocessing.image_h != DigitView::kSide ||
      model.preprocessing.image_w != DigitView::kSide) {
    throw Error(ErrorKind::model, "the model does not say how pictures become its input")
        .where(model.name)
        .wanted("a model for 28x28 digits");
  }
  return see_digit(image);
}

Picture see_picture(const Model& model, const std::string& path) {
  const Image image = read_image(path);
  const int64_t shown = image.channels >= 3 ? 3 : 1;
  Picture picture;
  picture.thumbnail = html::png_address({shown, image.height, image.width}, planes(image), kThumbnail);
  DigitView view = see(model, path);
  picture.pixels = std::move(view.pixels);
  picture.note = view.note;
  return picture;
}

}  // namespace unfold::cli
