// The lines of ruled and squared paper, which are no ink.
#pragma once

#include <cstdint>
#include <vector>

#include "unfold/data/plane.h"

namespace unfold::ink {

/// A ruled line: y = at + slope * x (or x = at + slope * y).
struct Line {
  bool upright = false;
  double at = 0, slope = 0;
  float amount = 0;  // median along it
};

/// The lines that run through the whole plane, found by summing along all slopes up to 15 degrees; `noise` is
/// the standard deviation of the paper.
std::vector<Line> find_lines(const Plane& amount, float noise, bool upright);

/// Wipes the lines out, but for where a stroke crosses them: there it is darker, or goes on at both sides.
void remove_lines(Plane& amount, float noise, const std::vector<Line>& lines);

}  // namespace unfold::ink
