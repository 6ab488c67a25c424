// What turns the bytes of an image into the numbers a network is fed. Part of the model, and stored with it:
// a network that learned from padded, normalised images must be asked with such.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "unfold/data/dataset.h"
#include "unfold/shape.h"
#include "unfold/threads.h"

namespace unfold {

/// A number for each channel, or one for all of them.
class PerChannel {
 public:
  PerChannel(double all)
      : values_{all} {}  // NOLINT(google-explicit-constructor): one number is the usual case
  /// Throws usage if there is none.
  explicit PerChannel(std::vector<double> values);
  double operator[](int64_t channel) const {
    return values_[values_.size() == 1 ? 0 : static_cast<size_t>(channel)];
  }
  std::span<const double> values() const { return values_; }
  bool operator==(const PerChannel&) const = default;

 private:
  std::vector<double> values_;
};

/// The steps: bytes / 255; fitted from image_h x image_w to out_h x out_w; (v - mean) / std, channel by
/// channel.
struct Preprocessing {
  enum class Fit {
    pad,       ///< centred on value 0, the odd row and column left over below and right; cropped where larger
    bilinear,  ///< resized as torch's interpolate(mode="bilinear", align_corners=False) does
  };
  int64_t image_h = 28, image_w = 28;
  Fit fit = Fit::pad;
  int64_t out_h = 32, out_w = 32;
  PerChannel mean = 0, std = 1;
  bool digit = true;  ///< pictures of one's own get the MNIST treatment first (see digit.h)

  /// Throws model naming `where` for values that no network can have been trained with: sizes outside 1 to
  /// 4096, a mean that is not finite, a standard deviation that is not finite and above 0; more or fewer of
  /// them than `channels`, unless there is one.
  void check(std::string_view where, int64_t channels) const;

  /// (C, out_h, out_w): the network's input for images of `channels` channels.
  Shape output(int64_t channels) const { return {channels, out_h, out_w}; }
  bool operator==(const Preprocessing&) const = default;
};

/// Writes the network's input for one image: overwrites out (C, out_h, out_w) with the treated image
/// (C, image_h, image_w); C follows from the size of `image`. A positive shift moves the image down and to
/// the right before it is fitted; what comes in is 0. Throws usage if the size of `image` is no multiple of
/// image_h * image_w.
template <class T>
void preprocess(const Preprocessing& how, std::span<const uint8_t> image, T* out, int64_t shift_y = 0,
                int64_t shift_x = 0);

extern template void preprocess(const Preprocessing&, std::span<const uint8_t>, float*, int64_t, int64_t);
extern template void preprocess(const Preprocessing&, std::span<const uint8_t>, double*, int64_t, int64_t);

/// Mean and standard deviation (of the population) of each channel over all fitted pixels, padding too, of
/// the images `first` to `first + count`, before normalising: what `fit` is given as mean and std. Summed in
/// double, in order, so that the same images give the same bits, with a pool too. Throws usage if there are
/// no such images.
std::pair<PerChannel, PerChannel> mean_std(const Dataset& data, int64_t first, int64_t count,
                                           const Preprocessing& fit, ThreadPool* pool = nullptr);

}  // namespace unfold
