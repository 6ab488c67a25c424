#include "unfold/train/schedule.h"

#include <algorithm>
#include <cmath>

#include "unfold/error.h"

namespace unfold {
namespace {

constexpr double kPi = 3.14159265358979323846;

/// From `start` (t = 0) to `end` (t = 1) along half a cosine.
double anneal(double start, double end, double t) {
  return end + (start - end) / 2 * (1 + std::cos(kPi * t));
}

}  // namespace

double Schedule::at(int64_t step, int64_t total) const {
  const auto s = static_cast<double>(step), n = static_cast<double>(std::max<int64_t>(total, 1));
  switch (kind) {
    case Kind::constant:
      return lr;
    case Kind::cosine:
      return anneal(lr, 0, s / n);
    case Kind::one_cycle: {
      const double peak = 0.3 * n - 1, last = n - 1;
      if (s <= peak) return anneal(lr / 25, lr, peak > 0 ? s / peak : 1);
      return anneal(lr, lr / 250000, last > peak ? (s - peak) / (last - peak) : 1);
    }
  }
  return lr;
}

std::string_view schedule_name(Schedule::Kind kind) {
  switch (kind) {
    case Schedule::Kind::constant:
      return "constant";
    case Schedule::Kind::cosine:
      return "cosine";
    case Schedule::Kind::one_cycle:
      return "one-cycle";
  }
  return "";
}

Schedule::Kind schedule_named(std::string_view name) {
  for (const auto kind : {Schedule::Kind::constant, Schedule::Kind::cosine, Schedule::Kind::one_cycle}) {
    if (schedule_name(kind) == name) return kind;
  }
  throw Error(ErrorKind::usage, "unknown schedule").wanted("constant, cosine or one-cycle").got(name);
}

}  // namespace unfold
