#include "unfold/train/optimizer.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>

#include "unfold/kernels/sum.h"
#include "unfold/kernels/update.h"

namespace unfold {
namespace {

constexpr int64_t kChunk = 8192;

void require(bool good, const char* name, double value) {
  if (!good) throw Error(ErrorKind::usage, std::string(name) + " is out of range").got(std::to_string(value));
}

}  // namespace

std::string_view optimizer_name(OptimizerOptions::Kind kind) {
  return kind == OptimizerOptions::Kind::sgd    ? "sgd"
         : kind == OptimizerOptions::Kind::adam ? "adam"
                                                : "adamw";
}

OptimizerOptions::Kind optimizer_named(std::string_view name) {
  if (name == "sgd") return OptimizerOptions::Kind::sgd;
  if (name == "adam") return OptimizerOptions::Kind::adam;
  if (name == "adamw") return OptimizerOptions::Kind::adamw;
  throw Error(ErrorKind::usage, "unknown optimizer").wanted("sgd, adam or adamw").got(name);
}

template <class T>
Optimizer<T>::Optimizer(const std::shared_ptr<const ParameterTable>& table, const OptimizerOptions& options,
                        std::span<const std::string> freeze)
    : options_(options), first_(table) {
  require(options.momentum >= 0 && options.momentum < 1, "momentum", options.momentum);
  require(options.beta1 >= 0 && options.beta1 < 1, "beta1", options.beta1);
  require(options.beta2 >= 0 && options.beta2 < 1, "beta2", options.beta2);
  require(options.epsilon > 0 && options.epsilon < 1, "epsilon", options.epsilon);
  require(options.weight_decay >= 0 && options.weight_decay < 1e6, "weight decay", options.weight_decay);
  if (options.kind != OptimizerOptions::Kind::sgd) second_ = Parameters<T>(table);
  std::vector<Range> weights;  // one behind the other, with the gaps between them, which stay zero
  std::vector<bool> used(freeze.size(), false);
  const auto frozen = [&](const ParameterSlice& slice) {
    bool any = false;
    for (size_t i = 0; i < freeze.size(); ++i) {
      if (::fnmatch(freeze[i].c_str(), slice.name.c_str(), 0) == 0) any = used[i] = true;
    }
    return any;
  };
  for (const ParameterSlice& slice : table->slices()) {
    if (slice.kind == ParameterKind::buffer || frozen(slice)) continue;
    const int64_t end = slice.offset + slice.shape.elements();
    if (weights.empty() || slice.offset - weights.back().end >= 16) weights.push_back({slice.offset, end});
    weights.back().end = end;
  }
  for (size_t i = 0; i < freeze.size(); ++i) {
    if (!used[i]) {
      throw Error(ErrorKind::usage, "nothing to freeze has such a name")
          .wanted("a name such as " + table->slices().front().name + ", or a pattern such as features.*")
          .got(freeze[i]);
    }
  }
  if (weights.empty()) {
    Error nothing(ErrorKind::usage, "nothing is left to learn: no weight that is not frozen");
    throw std::move(nothing).got(freeze.empty() ? "" : freeze.front());
  }
  for (const Range& range : weights) {
    for (int64_t at = range.begin; at < range.end; at += kChunk)
      chunks_.push_back({at, std::min(range.end, at + kChunk)});
  }
}

template <class T>
double Optimizer<T>::clip(Parameters<T>& gradient, double norm, ThreadPool& pool) {
  T* const g = gradient.all().data();
  const auto chunks = static_cast<int64_t>(chunks_.size());
  squares_.resize(chunks_.size());
  pool.run(chunks, [&](int64_t chunk, int) {
    const auto [begin, end] = chunks_[static_cast<size_t>(chunk)];
    squares_[static_cast<size_t>(chunk)] = sum_of_squares(end - begin, g + begin);
  });
  const double before = std::sqrt(sum(chunks, squares_.data()));
  const double scale = norm / (before + 1e-6);
  if (!(scale < 1)) return before;
  pool.run(chunks, [&](int64_t chunk, int) {
    const auto [begin, end] = chunks_[static_cast<size_t>(chunk)];
    for (int64_t i = begin; i < end; ++i) g[i] *= static_cast<T>(scale);
  });
  return before;
}

template <class T>
void Optimizer<T>::step(Parameters<T>& parameters, const Parameters<T>& gradient, double lr,
                        ThreadPool& pool) {
  ++steps_;
  T* const p = parameters.all().data();
  const T* const g = gradient.all().data();
  T* const m = first_.all().data();
  const bool adamw = options_.kind == OptimizerOptions::Kind::adamw;
  const auto decay = static_cast<T>(adamw ? 0 : options_.weight_decay);
  const auto chunks = static_cast<int64_t>(chunks_.size());
  if (options_.kind == OptimizerOptions::Kind::sgd) {
    const auto momentum = static_cast<T>(options_.momentum), rate = static_cast<T>(lr);
    const bool nesterov = options_.nesterov;
    pool.run(chunks, [&](int64_t chunk, int) {
      const auto [begin, end] = chunks_[static_cast<size_t>(chunk)];
      if constexpr (std::is_same_v<T, float>) {
        return sgd_update(end - begin, {rate, momentum, decay, nesterov}, g + begin, p + begin, m + begin);
      }
      for (int64_t i = begin; i < end; ++i) {
        const T gradient_i = g[i] + decay * p[i];
        m[i] = momentum * m[i] + gradient_i;
        p[i] -= rate * (nesterov ? gradient_i + momentum * m[i] : m[i]);
      }
    });
    return;
  }
  T* const v = second_.all().data();
  const auto t = static_cast<double>(steps_);
  const auto rate = static_cast<T>(lr / (1 - std::pow(options_.beta1, t)));
  const auto root = static_cast<T>(1 / std::sqrt(1 - std::pow(options_.beta2, t)));
  const auto epsilon = static_cast<T>(options_.epsilon);
  const auto keep1 = static_cast<T>(1 - options_.beta1);
  const auto beta2 = static_cast<T>(options_.beta2), keep2 = static_cast<T>(1 - options_.beta2);
  const auto shrink = static_cast<T>(adamw ? 1 - lr * options_.weight_decay : 1);
  pool.run(chunks, [&](int64_t chunk, int) {
    const auto [begin, end] = chunks_[static_cast<size_t>(chunk)];
    if constexpr (std::is_same_v<T, float>) {
      return adam_update(end - begin, {rate, root, epsilon, decay, keep1, beta2, keep2, shrink}, g + begin,
                         p + begin, m + begin, v + begin);
    }
    for (int64_t i = begin; i < end; ++i) {
      const T gradient_i = g[i] + decay * p[i];
      m[i] += keep1 * (gradient_i - m[i]);
      v[i] = beta2 * v[i] + keep2 * gradient_i * gradient_i;
      p[i] = shrink * p[i] - rate * m[i] / (std::sqrt(v[i]) * root + epsilon);
    }
  });
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace unfold
