// SGD and Adam: one loop over the flat buffer of parameters, its gradient twin and the state twins.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/parameters.h"
#include "unfold/threads.h"

namespace unfold {

struct OptimizerOptions {
  enum class Kind { sgd, adam, adamw };
  Kind kind = Kind::adam;
  double momentum = 0.9;              ///< sgd
  double beta1 = 0.9, beta2 = 0.999;  ///< adam
  double epsilon = 1e-8;              ///< adam
  double weight_decay = 0;  ///< added to the gradient, as torch.optim.SGD and Adam do; adamw: taken off the
                            ///< weights, times the rate
  bool nesterov = false;    ///< sgd
  bool operator==(const OptimizerOptions&) const = default;
};

std::string_view optimizer_name(OptimizerOptions::Kind kind);   ///< "sgd", "adam", "adamw"
OptimizerOptions::Kind optimizer_named(std::string_view name);  ///< throws usage for another name

/// Elementwise, so any number of threads gives the same bits. Buffers (ParameterKind) are left alone.
/// Instantiated for float and double.
///   sgd   g' = g + wd p;  m = momentum m + g';  p -= lr m, or lr (g' + momentum m) with nesterov
///   (torch.optim.SGD) adam  g' = g + wd p;  m += (1-b1)(g'-m);  v = b2 v + (1-b2) g'^2;
///         p -= lr/(1-b1^t) * m / (sqrt(v)/sqrt(1-b2^t) + eps),  t = 1, 2, ...  (Kingma and Ba 2015;
///         torch.optim.Adam)
///   adamw as adam with g' = g, behind p *= 1 - lr wd  (Loshchilov and Hutter 2019; torch.optim.AdamW)
template <class T>
class Optimizer {
 public:
  /// Slices that match one of the patterns `freeze` ("features.*": * and ? as in file names) are left alone,
  /// too. Throws usage for settings out of range (momentum and betas in [0, 1), epsilon > 0, weight decay >=
  /// 0), for a pattern that matches no weight, and where nothing is left to learn.
  Optimizer(const std::shared_ptr<const ParameterTable>& table, const OptimizerOptions& options,
            std::span<const std::string> freeze = {});

  /// Scales the gradient of what learns, all of it together, so that its L2 norm is at most `norm`: times
  /// norm / (its norm + 1e-6) where that is below 1 (torch.nn.utils.clip_grad_norm_). The sum of squares is
  /// taken in double, in an order that depends on the shapes alone. Returns the norm as it was.
  double clip(Parameters<T>& gradient, double norm, ThreadPool& pool);

  /// One update of `parameters` (overwritten) at learning rate `lr`.
  void step(Parameters<T>& parameters, const Parameters<T>& gradient, double lr, ThreadPool& pool);

  const OptimizerOptions& options() const { return options_; }
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  /// State twins: m (both kinds) and v (adam and adamw; empty table otherwise). A checkpoint stores them.
  Parameters<T>& first_moment() { return first_; }
  Parameters<T>& second_moment() { return second_; }

 private:
  struct Range {
    int64_t begin, end;
  };
  OptimizerOptions options_;
  std::vector<Range> chunks_;    // of the flat buffer: what learns
  std::vector<double> squares_;  // by chunk
  Parameters<T> first_, second_;
  int64_t steps_ = 0;
};

}  // namespace unfold
