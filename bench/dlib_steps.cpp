// Peer: dlib's training step of the article's LeNet-5, asked for line by line (cpp_steps.h).
//
// Plain tanh: dlib has no scaled one. compare.py puts the scale into the weights behind it, which is the same
// function. No trainer, whose threads hand images on to each other: the network is stepped by itself.
#include <dlib/dnn.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "cpp_steps.h"

namespace {

template <long filters, class Below>
using conv5 = dlib::add_layer<dlib::con_<filters, 5, 5, 1, 1, 0, 0>, Below>;
template <class Below>
using stage = dlib::avg_pool<2, 2, 2, 2, dlib::htan<Below>>;
using LeNet5 = dlib::loss_multiclass_log<
    dlib::fc<10, dlib::htan<dlib::fc<
                     84, dlib::htan<dlib::fc<
                             120, stage<conv5<16, stage<conv5<6, dlib::input<dlib::matrix<float>>>>>>>>>>>>;

class Net {
 public:
  Net() {
    const dlib::matrix<float> blank = dlib::zeros_matrix<float>(32, 32);
    dlib::resizable_tensor x;
    net_.to_tensor(&blank, &blank + 1, x);
    net_.forward(x);  // a layer is made when it first sees its input
  }

  void load(const float* from) { visit(net_, from, nullptr, false); }

  peer::Step step(const peer::Data& data) {
    const auto n = static_cast<long>(data.labels.size());
    dlib::resizable_tensor x(n, 1, 32, 32);
    std::copy(data.images.begin(), data.images.end(), x.host_write_only());
    peer::Step step{net_.compute_parameter_gradients(x, data.labels.begin()),
                    std::vector<float>(peer::kParameters)};
    visit(net_, nullptr, step.gradients.data(), true);
    return step;
  }

  std::vector<double> times(size_t batch, double seconds) {
    if (data_.labels.empty()) {
      data_ = peer::Data::random(50000);
      order_.resize(data_.labels.size());
      std::iota(order_.begin(), order_.end(), size_t{0});
      at_ = order_.size();
    }
    if (warm_ != batch) {
      labels_.resize(batch);
      x_.set_size(static_cast<long>(batch), 1, 32, 32);
      for (int i = 0; i < 5; ++i) one(batch);
      warm_ = batch;
    }
    std::vector<double> times;
    const auto begin = peer::Clock::now();
    while (times.empty() || peer::seconds_since(begin) < seconds) {
      const auto before = peer::Clock::now();
      one(batch);
      times.push_back(peer::seconds_since(before));
    }
    return times;
  }

 private:
  /// Takes all parameters from `from`, or gives all (or their gradients) to `to`.
  static void visit(LeNet5& net, const float* from, float* to, bool gradients) {
    std::vector<dlib::tensor*> tensors;
    const auto keep = [&](size_t, dlib::tensor& t) {
      if (t.size()) tensors.insert(tensors.begin(), &t);  // the last layer is visited first
    };
    if (gradients)
      dlib::visit_layer_parameter_gradients(net, keep);
    else
      dlib::visit_layer_parameters(net, keep);
    if (tensors.size() != std::size(peer::kLayers)) throw std::runtime_error("not the layers expected");
    for (size_t i = 0; i < tensors.size(); ++i) {
      const auto [out, in, linear] = peer::kLayers[i];
      if (tensors[i]->size() != out * (in + 1)) throw std::runtime_error("not the sizes expected");
      float* const own = tensors[i]->host();
      if (from) {
        if (linear)
          peer::transpose(out, in, from, own);
        else
          std::copy_n(from, out * in, own);
        std::copy_n(from + out * in, out, own + out * in);
        from += out * (in + 1);
      }
      if (to) {
        if (linear)
          peer::transpose(in, out, own, to);
        else
          std::copy_n(own, out * in, to);
        std::copy_n(own + out * in, out, to + out * in);
        to += out * (in + 1);
      }
    }
  }

  void one(size_t batch) {
    if (at_ + batch > order_.size()) {
      std::shuffle(order_.begin(), order_.end(), generator_);
      at_ = 0;
    }
    float* const x = x_.host_write_only();
    for (size_t i = 0; i < batch; ++i, ++at_) {
      std::copy_n(data_.images.data() + order_[at_] * peer::kPixels, peer::kPixels, x + i * peer::kPixels);
      labels_[i] = data_.labels[order_[at_]];
    }
    net_.compute_parameter_gradients(x_, labels_.begin());
    net_.update_parameters(solvers_, 1e-3);
  }

  LeNet5 net_;
  std::vector<dlib::adam> solvers_{LeNet5::num_computational_layers, dlib::adam(0, 0.9f, 0.999f)};
  peer::Data data_;
  std::vector<size_t> order_;
  size_t at_ = 0, warm_ = 0;
  dlib::resizable_tensor x_;
  std::vector<unsigned long> labels_;
  std::mt19937 generator_{1};
};

}  // namespace

int main() {
  return peer::serve<Net>();
}
