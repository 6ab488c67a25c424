// The learning rate of every step.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace unfold {

struct Schedule {
  enum class Kind {
    constant,
    cosine,     ///< from lr down to 0 over the run along half a cosine (torch's CosineAnnealingLR, eta_min 0)
    one_cycle,  ///< up from lr/25 to lr over the first 30 % of the steps, then down to lr/250,000, both along
                ///< half a cosine (torch's OneCycleLR with its defaults)
    step,       ///< times gamma every step_size epochs, or at the milestones (torch's StepLR, MultiStepLR)
  };
  Kind kind = Kind::constant;
  double lr = 1e-3;  ///< the constant, the start, or the peak
  /// Epochs, also parts of one, in which the rate rises in a straight line, step by step, from lr/100
  /// (torch's LinearLR with start_factor 0.01, before the cosine, which then has the rest of the run, as
  /// SequentialLR joins them; for step, whose epochs are counted from the start of the run, times its rate).
  /// For one_cycle, how long its own rise takes, in place of 30 % (torch's pct_start).
  double warmup = 0;
  double gamma = 0.1;                    ///< step: the factor
  int64_t step_size = 0;                 ///< step: epochs from one factor to the next; 0: at the milestones
  std::vector<int64_t> milestones = {};  ///< step: finished epochs after which the factor applies, rising

  /// Learning rate of step `step` (from 0) of a run of `epochs` epochs of `steps` steps.
  double at(int64_t step, int64_t steps, int64_t epochs) const;
  /// Throws usage for settings that cannot be, or that the kind would ignore.
  void check(int64_t epochs) const;
  bool operator==(const Schedule&) const = default;
};

std::string_view schedule_name(Schedule::Kind kind);   ///< "constant", "cosine", "one-cycle", "step"
Schedule::Kind schedule_named(std::string_view name);  ///< throws usage for another name

}  // namespace unfold
