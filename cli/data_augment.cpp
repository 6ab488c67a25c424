#include "cli/data_augment.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "cli/table.h"
#include "unfold/data/epoch_images.h"
#include "unfold/data/image_file.h"
#include "unfold/error.h"
#include "unfold/files.h"

namespace unfold::cli {
namespace {

constexpr int64_t kRows = 8, kColumns = 10;
constexpr int64_t kCell = 64;  // pixels that an image has at least
constexpr int64_t kGap = 2;

/// Images as a network of their own size is fed them.
Preprocessing preprocessing_of(const Dataset& data, ThreadPool& pool) {
  Preprocessing how;
  how.image_h = how.out_h = data.image[1];
  how.image_w = how.out_w = data.image[2];
  std::tie(how.mean, how.std) = mean_std(data, 0, data.size() - data.validation, how, &pool);
  return how;
}

}  // namespace

std::string augmentation_list(const std::string& option) {
  constexpr int kWidth = 76;
  std::string text = "Augmentations (" + option + " A,B,...; as torchvision's, each image and epoch anew):\n";
  for (const AugmentationHelp& help : augmentation_help()) {
    text += "  " + help.syntax + "\n";
    for (size_t at = 0; const char c : wrapped(help.purpose, kWidth)) {
      if (at++ == 0) text += "      ";
      text += c;
      if (c == '\n') at = 0;
    }
  }
  return text;
}

void write_augmented(const Dataset& data, const Augmentation& how, ThreadPool& pool,
                     const std::filesystem::path& path) {
  const int64_t channels = data.image[0], h = data.image[1], w = data.image[2], plane = h * w;
  if (channels != 1 && channels != 3) {
    throw Error(ErrorKind::usage, "only images of one or three channels can be shown")
        .where(data.name)
        .got(data.image.text());
  }
  const Preprocessing preprocessing = preprocessing_of(data, pool);
  const Augmentation plain;
  const int64_t zoom = std::max<int64_t>(1, kCell / std::max(h, w));
  const int64_t images = data.size() - data.validation, rows = std::min(kRows, images);
  Image sheet{.width = kColumns * (w * zoom + kGap) - kGap,
              .height = rows * (h * zoom + kGap) - kGap,
              .channels = channels,
              .pixels = {}};
  sheet.pixels.assign(static_cast<size_t>(sheet.width * sheet.height * channels), 255);
  std::vector<float> x(static_cast<size_t>(data.image.elements()));
  for (int64_t cell = 0; cell < rows * kColumns; ++cell) {
    const int64_t row = cell / kColumns, column = cell % kColumns, image = row * images / rows;
    const auto epoch = static_cast<uint64_t>(column);
    EpochImages{column == 0 ? plain : how, preprocessing, data, images, 0, epoch}.input(image, x.data());
    for (int64_t i = 0; i < plane * zoom * zoom; ++i) {
      const int64_t y = i / (w * zoom), left = i % (w * zoom);
      const int64_t at = (row * (h * zoom + kGap) + y) * sheet.width + column * (w * zoom + kGap) + left;
      for (int64_t c = 0; c < channels; ++c) {
        const auto v = static_cast<double>(x[static_cast<size_t>(c * plane + y / zoom * w + left / zoom)]);
        const double light = v * preprocessing.std[c] + preprocessing.mean[c];
        sheet.pixels[static_cast<size_t>(at * channels + c)] =
            static_cast<uint8_t>(std::lround(255 * std::clamp(light, 0.0, 1.0)));
      }
    }
  }
  write_file(path, encode_png(sheet));
}

double augmented_per_second(const Dataset& data, const Augmentation& how, ThreadPool& pool) {
  using Clock = std::chrono::steady_clock;
  constexpr double kSeconds = 0.5;
  const Preprocessing preprocessing = preprocessing_of(data, pool);
  constexpr int64_t kTask = 16;  // images, as a shard of training
  const auto elements = static_cast<size_t>(data.image.elements());
  std::vector<std::vector<float>> x(static_cast<size_t>(pool.threads()),
                                    std::vector<float>(kTask * elements));
  const int64_t tasks = std::min<int64_t>(64, (data.size() + kTask - 1) / kTask);
  const auto start = Clock::now();
  double seconds = 0;
  int64_t done = 0;
  for (uint64_t epoch = 0; seconds < kSeconds; ++epoch) {
    pool.run(tasks, [&](int64_t task, int worker) {
      for (int64_t i = 0; i < kTask; ++i) {
        const int64_t image = (task * kTask + i) % data.size();
        EpochImages{how, preprocessing, data, data.size(), 0, epoch}.input(
            image, x[static_cast<size_t>(worker)].data() + static_cast<size_t>(i) * elements);
      }
    });
    done += tasks * kTask;
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return static_cast<double>(done) / seconds;
}

}  // namespace unfold::cli
