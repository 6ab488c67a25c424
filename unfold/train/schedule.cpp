#include "unfold/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "unfold/error.h"

namespace unfold {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kWarmupStart = 0.01;  // of the rate
constexpr Schedule::Kind kKinds[] = {Schedule::Kind::constant, Schedule::Kind::cosine,
                                     Schedule::Kind::one_cycle, Schedule::Kind::step};

/// From `start` (t = 0) to `end` (t = 1) along half a cosine.
double anneal(double start, double end, double t) {
  return end + (start - end) / 2 * (1 + std::cos(kPi * t));
}

/// How often the factor of a step schedule applies in epoch `epoch`, counted from 0.
int64_t factors(const Schedule& s, int64_t epoch) {
  if (s.milestones.empty()) return s.step_size > 0 ? epoch / s.step_size : 0;
  return std::upper_bound(s.milestones.begin(), s.milestones.end(), epoch) - s.milestones.begin();
}

}  // namespace

double Schedule::at(int64_t step, int64_t steps, int64_t epochs) const {
  const auto s = static_cast<double>(step), n = static_cast<double>(std::max<int64_t>(steps * epochs, 1));
  const auto rise = static_cast<double>(std::llround(warmup * static_cast<double>(steps)));
  const double warm = s < rise ? kWarmupStart + (1 - kWarmupStart) * s / rise : 1;
  switch (kind) {
    case Kind::constant:
      return warm * lr;
    case Kind::cosine:
      return s < rise ? warm * lr : anneal(lr, 0, (s - rise) / (n - rise));
    case Kind::one_cycle: {
      const double peak = (warmup > 0 ? rise : 0.3 * n) - 1, last = n - 1;
      if (s <= peak) return anneal(lr / 25, lr, peak > 0 ? s / peak : 1);
      return anneal(lr, lr / 250000, last > peak ? (s - peak) / (last - peak) : 1);
    }
    case Kind::step:
      return warm * lr *
             std::pow(gamma, static_cast<double>(factors(*this, step / std::max<int64_t>(steps, 1))));
  }
  return lr;
}

void Schedule::check(int64_t epochs) const {
  if (!(lr > 0) || !std::isfinite(lr))
    throw Error(ErrorKind::usage, "learning rate is out of range").wanted("above 0").got(std::to_string(lr));
  if (!(warmup >= 0) || warmup >= static_cast<double>(epochs)) {
    throw Error(ErrorKind::usage, "warm-up is out of range")
        .wanted("at least 0 epochs, and fewer than the run's " + std::to_string(epochs))
        .got(std::to_string(warmup));
  }
  if (!(gamma > 0) || !std::isfinite(gamma))
    throw Error(ErrorKind::usage, "gamma is out of range").wanted("above 0").got(std::to_string(gamma));
  if (kind != Kind::step) {
    if (step_size != 0 || !milestones.empty()) {
      throw Error(ErrorKind::usage, "a step size and milestones are for the step schedule")
          .got(schedule_name(kind))
          .hint("add --schedule step");
    }
    return;
  }
  if (step_size < 0 || (step_size > 0) == !milestones.empty()) {
    throw Error(ErrorKind::usage, "the step schedule takes either a step size or milestones, in epochs")
        .hint("such as --step-size 30, or --milestones 60,80");
  }
  const auto falls = std::adjacent_find(milestones.begin(), milestones.end(), std::greater_equal<>());
  if (falls != milestones.end() || (!milestones.empty() && milestones.front() < 1)) {
    throw Error(ErrorKind::usage, "milestones are epochs in rising order, from 1")
        .got(std::to_string(falls != milestones.end() ? *(falls + 1) : milestones.front()));
  }
}

std::string_view schedule_name(Schedule::Kind kind) {
  switch (kind) {
    case Schedule::Kind::constant:
      return "constant";
    case Schedule::Kind::cosine:
      return "cosine";
    case Schedule::Kind::one_cycle:
      return "one-cycle";
    case Schedule::Kind::step:
      return "step";
  }
  return "";
}

Schedule::Kind schedule_named(std::string_view name) {
  for (const Schedule::Kind kind : kKinds) {
    if (schedule_name(kind) == name) return kind;
  }
  throw Error(ErrorKind::usage, "unknown schedule").wanted("constant, cosine, one-cycle or step").got(name);
}

}  // namespace unfold
