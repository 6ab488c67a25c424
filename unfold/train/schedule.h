// The learning rate of every step.
#pragma once

#include <cstdint>
#include <string_view>

namespace unfold {

struct Schedule {
  enum class Kind {
    constant,
    cosine,     ///< from lr down to 0 over the run along half a cosine (torch's CosineAnnealingLR, eta_min 0)
    one_cycle,  ///< up from lr/25 to lr over the first 30 % of the steps, then down to lr/250,000, both along
                ///< half a cosine (torch's OneCycleLR with its defaults)
  };
  Kind kind = Kind::constant;
  double lr = 1e-3;  ///< the constant, the start, or the peak

  /// Learning rate of step `step` (from 0) of `total`.
  double at(int64_t step, int64_t total) const;
  bool operator==(const Schedule&) const = default;
};

std::string_view schedule_name(Schedule::Kind kind);   ///< "constant", "cosine", "one-cycle"
Schedule::Kind schedule_named(std::string_view name);  ///< throws usage for another name

}  // namespace unfold
