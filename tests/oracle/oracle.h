// What the tests against recorded values share: the files, the inputs that are drawn rather than recorded,
// and the measures of error. README.md here says how the values were made.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "unfold/formats/safetensors.h"
#include "unfold/shape.h"

namespace oracle {

/// One file of tests/oracle/values.
class Values {
 public:
  explicit Values(const std::string& name)
      : file_(unfold::read_safetensors(std::string(UNFOLD_TEST_DATA) + "/" + name + ".safetensors")) {}

  const unfold::Tensor& tensor(const std::string& name) const {
    const unfold::Tensor* found = file_.find(name);
    if (found == nullptr) throw std::runtime_error("no recorded tensor " + name);
    return *found;
  }
  template <class T = double>
  std::span<const T> operator()(const std::string& name) const {
    return tensor(name).span<T>();
  }

  /// Row k of the table of cases `what`.cases.
  std::span<const int64_t> row(const std::string& what, int64_t k) const {
    const unfold::Tensor& table = tensor(what + ".cases");
    const auto width = static_cast<size_t>(table.shape()[1]);
    return table.span<int64_t>().subspan(static_cast<size_t>(k) * width, width);
  }
  int64_t rows(const std::string& what) const { return tensor(what + ".cases").shape()[0]; }

  /// The sizes at the beginning of a row of a table of convolutions or poolings; see GEOMETRY in
  /// torch_values.py.
  unfold::Conv2dShape geometry(const std::string& what, int64_t k) const {
    const auto r = row(what, k);
    unfold::Window2d window;
    window.kernel_h = r[5], window.kernel_w = r[6], window.stride_h = r[7], window.stride_w = r[8];
    window.pad_top = r[9], window.pad_left = r[10], window.pad_bottom = r[11], window.pad_right = r[12];
    window.dilation_h = r[13], window.dilation_w = r[14], window.groups = r[15];
    return unfold::Conv2dShape::infer({r[0], r[1], r[2], r[3]}, r[4], window, what + "." + std::to_string(k));
  }

 private:
  unfold::SafetensorsFile file_;
};

/// numbers() of torch_values.py: multiples of 2^-23 in [-1, 1), exact in float too.
inline std::vector<double> numbers(int64_t count, int64_t key) {
  auto state = static_cast<uint32_t>(static_cast<uint64_t>(key) * 2654435761U + 1);
  std::vector<double> out(static_cast<size_t>(count));
  for (double& value : out) {
    state = 1664525U * state + 1013904223U;
    value = (state >> 8) / 8388608.0 - 1;
  }
  return out;
}

/// The same numbers as T.
template <class T>
std::vector<T> as(std::span<const double> values) {
  std::vector<T> out(values.size());
  std::transform(values.begin(), values.end(), out.begin(), [](double v) { return static_cast<T>(v); });
  return out;
}

inline std::vector<double> magnitudes(std::span<const double> values) {
  std::vector<double> out(values.size());
  std::transform(values.begin(), values.end(), out.begin(), [](double v) { return std::abs(v); });
  return out;
}

/// Largest |got - want| / max(|want|, 1e-3 of the largest |want|); infinity for NaN or another number of
/// elements.
template <class T>
double relative_error(std::span<const T> got, std::span<const double> want) {
  if (got.size() != want.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (double w : want) largest = std::max(largest, std::abs(w));
  double worst = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double off = std::abs(static_cast<double>(got[i]) - want[i]);
    if (off == 0) continue;  // also where all of `want` is 0
    const double relative = off / std::max(std::abs(want[i]), 1e-3 * largest);
    if (!(relative <= worst))
      worst = std::isnan(relative) ? std::numeric_limits<double>::infinity() : relative;
  }
  return worst;
}

/// Largest |got - want| / (2 sqrt(terms) eps magnitude), eps = 2^-23: at most 1 for a sound float sum of
/// `terms` products whose magnitudes add up to `magnitude`. Infinity for NaN or another number of elements.
inline double float_excess(std::span<const float> got, std::span<const double> want,
                           std::span<const double> magnitude, int64_t terms) {
  if (got.size() != want.size() || got.size() != magnitude.size())
    return std::numeric_limits<double>::infinity();
  const double unit = 2 * std::sqrt(static_cast<double>(terms)) * std::numeric_limits<float>::epsilon();
  double worst = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double off = std::abs(static_cast<double>(got[i]) - want[i]);
    if (off == 0) continue;
    const double excess = off / (unit * magnitude[i]);
    if (!(excess <= worst)) worst = std::isnan(excess) ? std::numeric_limits<double>::infinity() : excess;
  }
  return worst;
}

template <class T>
double relative_error(const std::vector<T>& got, std::span<const double> want) {
  return relative_error(std::span<const T>(got), want);
}

/// Are there as many, and is each equal (0 and -0 are, NaN is not)?
template <class A, class B>
bool equal(const A& got, const B& want) {
  return std::equal(got.begin(), got.end(), want.begin(), want.end(),
                    [](auto a, auto b) { return static_cast<double>(a) == static_cast<double>(b); });
}

}  // namespace oracle
