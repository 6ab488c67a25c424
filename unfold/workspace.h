// The memory of one run of a plan: one per thread of use. Nothing is allocated after it is made.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "unfold/tensor.h"

namespace unfold {

struct ByteRange {
  int64_t first = 0, count = 0;
};

/// Bytes a plan needs, known before it runs.
struct MemoryLayout {
  int64_t slabs = 0;            ///< slabs: one a shard when training, one a worker otherwise (0 here)
  int64_t slab_bytes = 0;       ///< values, gradients and partials of one shard
  int64_t passing_bytes = 0;    ///< of one worker: what a shard needs no more once it is through
  int64_t scratch_bytes = 0;    ///< temporary memory of one worker
  int64_t packed_elements = 0;  ///< weights as the kernels want them, a multiple of 64
  /// Bytes with elements of `size` bytes.
  int64_t total(int threads, int64_t size) const {
    return (slabs ? slabs : threads) * slab_bytes + threads * (passing_bytes + scratch_bytes) +
           packed_elements * size;
  }
};

/// Seconds of work in one step of a plan, all workers together.
struct StepTimes {
  double forward = 0, backward_data = 0, backward_weights = 0;
};

/// Adds the seconds it lives to a step's time, if anybody measures (`to` is not null).
class Timed {
 public:
  explicit Timed(double* to) : to_(to), start_(to ? Clock::now() : Clock::time_point()) {}
  ~Timed() {
    if (to_) *to_ += std::chrono::duration<double>(Clock::now() - start_).count();
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double* to_;
  Clock::time_point start_;
};

template <class T>
class Workspace {
 public:
  Workspace(const MemoryLayout& layout, int threads)
      : layout_(layout), threads_(threads), memory_(static_cast<size_t>(layout.total(threads, sizeof(T)))) {}

  int threads() const { return threads_; }
  const MemoryLayout& layout() const { return layout_; }
  std::byte* slab(int64_t index) { return memory_.data() + index * layout_.slab_bytes; }
  const std::byte* slab(int64_t index) const { return memory_.data() + index * layout_.slab_bytes; }
  std::byte* passing(int worker) {
    const int64_t slabs = layout_.slabs ? layout_.slabs : threads_;
    return slab(slabs) + worker * layout_.passing_bytes;
  }
  T* scratch(int worker) { return reinterpret_cast<T*>(passing(threads_) + worker * layout_.scratch_bytes); }
  T* packed() { return scratch(threads_); }

  /// From now on runs of a plan with so many steps add up what each step takes (a few per cent slower).
  void measure(int64_t steps) {
    steps_ = steps;
    times_.assign(static_cast<size_t>(steps * threads_), {});
  }
  /// One worker's times by step, or null if nobody measures.
  StepTimes* times(int worker) { return times_.empty() ? nullptr : times_.data() + worker * steps_; }

 private:
  MemoryLayout layout_;
  int threads_;
  Buffer memory_;
  int64_t steps_ = 0;
  std::vector<StepTimes> times_;
};

}  // namespace unfold
