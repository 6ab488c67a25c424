// Peer: tiny-dnn's training step of the article's LeNet-5, asked for line by line (cpp_steps.h).
//
// Plain tanh, as it comes; compare.py puts the scale into the weights behind it, which is the same function.
// Its average pooling has a factor and a bias for each channel: 1 and 0 in the check, trained when timed.
// Images come in order: it does not shuffle.
#include <tiny_dnn/tiny_dnn.h>

#include <cmath>

#include "cpp_steps.h"

namespace {

using namespace tiny_dnn::activation;

/// In place of an optimizer: keeps the gradients.
struct Recorder : tiny_dnn::optimizer {
  void update(const tiny_dnn::vec_t& dw, tiny_dnn::vec_t& w, bool) override { of[&w] = dw; }
  std::map<const tiny_dnn::vec_t*, tiny_dnn::vec_t> of;
};

class Net {
 public:
  Net() {
    net_ << tiny_dnn::convolutional_layer<tan_h>(32, 32, 5, 1, 6)
         << tiny_dnn::average_pooling_layer<identity>(28, 28, 6, 2)
         << tiny_dnn::convolutional_layer<tan_h>(14, 14, 5, 6, 16)
         << tiny_dnn::average_pooling_layer<identity>(10, 10, 16, 2)
         << tiny_dnn::fully_connected_layer<tan_h>(400, 120)
         << tiny_dnn::fully_connected_layer<tan_h>(120, 84)
         << tiny_dnn::fully_connected_layer<softmax>(84, 10);
    net_.init_weight();
  }

  void load(const float* from) {
    for (const auto& [layer, place] : layers()) {
      const auto [out, in, linear] = layer;
      tiny_dnn::vec_t &w = *place->weights().at(0), &b = *place->weights().at(1);
      if (w.size() != out * in || b.size() != out) throw std::runtime_error("not the sizes expected");
      if (linear)
        peer::transpose(out, in, from, w.data());
      else
        std::copy_n(from, out * in, w.data());
      std::copy_n(from + out * in, out, b.data());
      from += out * (in + 1);
    }
    for (const size_t pooling : {1, 3}) {
      auto& w = *net_[pooling]->weights().at(0);
      std::fill(w.begin(), w.end(), 1.0f);
      auto& b = *net_[pooling]->weights().at(1);
      std::fill(b.begin(), b.end(), 0.0f);
    }
  }

  peer::Step step(const peer::Data& data) {
    convert(data);
    peer::Step step{0, std::vector<float>(peer::kParameters)};
    for (size_t i = 0; i < images_.size(); ++i)
      step.loss -= std::log(static_cast<double>(net_.predict(images_[i])[labels_[i]]));
    step.loss /= static_cast<double>(images_.size());
    Recorder recorder;
    net_.train<tiny_dnn::cross_entropy_multiclass>(recorder, images_, labels_, images_.size(), 1);
    float* to = step.gradients.data();
    for (const auto& [layer, place] : layers()) {
      const auto [out, in, linear] = layer;
      const auto &dw = recorder.of.at(place->weights().at(0)), &db = recorder.of.at(place->weights().at(1));
      if (linear)
        peer::transpose(in, out, dw.data(), to);
      else
        std::copy_n(dw.data(), out * in, to);
      std::copy_n(db.data(), out, to + out * in);
      to += out * (in + 1);
    }
    return step;
  }

  std::vector<double> times(size_t batch, double seconds) {
    constexpr size_t kSteps = 20;
    if (images_.size() != kSteps * batch) convert(peer::Data::random(kSteps * batch));
    std::vector<double> times;
    const auto begin = peer::Clock::now();
    while (times.empty() || peer::seconds_since(begin) < seconds) {
      tiny_dnn::adam adam;
      bool first = true;  // includes copies of all images, and the optimizer's memory
      auto before = peer::Clock::now();
      net_.train<tiny_dnn::cross_entropy_multiclass>(
          adam, images_, labels_, batch, 1,
          [&] {
            if (!first) times.push_back(peer::seconds_since(before));
            first = false;
            before = peer::Clock::now();
          },
          [] {});
    }
    return times;
  }

 private:
  std::vector<std::pair<peer::Layer, tiny_dnn::layer*>> layers() {
    return {{peer::kLayers[0], net_[0]},
            {peer::kLayers[1], net_[2]},
            {peer::kLayers[2], net_[4]},
            {peer::kLayers[3], net_[5]},
            {peer::kLayers[4], net_[6]}};
  }

  void convert(const peer::Data& data) {
    images_.clear();
    labels_.clear();
    for (size_t i = 0; i < data.labels.size(); ++i) {
      const float* const image = data.images.data() + i * peer::kPixels;
      images_.emplace_back(image, image + peer::kPixels);
      labels_.push_back(static_cast<tiny_dnn::label_t>(data.labels[i]));
    }
  }

  tiny_dnn::network<tiny_dnn::sequential> net_;
  std::vector<tiny_dnn::vec_t> images_;
  std::vector<tiny_dnn::label_t> labels_;
};

}  // namespace

int main() {
  return peer::serve<Net>();
}
