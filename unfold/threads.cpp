#include "unfold/threads.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "unfold/error.h"

#ifdef __linux__
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unfold {
namespace {

/// CPUs that the cgroup's quota allows (cgroup v2, then v1), or a large number where there is none.
int quota_threads() {
  // By stdio: streams would add half a megabyte to a program that is linked statically.
  const auto read = [](const char* path, double* first, double* second) {
    std::FILE* const file = std::fopen(path, "r");
    if (!file) return false;
    const bool some = std::fscanf(file, "%lf %lf", first, second) >= 1;  // "max" is no number
    std::fclose(file);
    return some;
  };
  double quota = 0, period = 0;
  if (!read("/sys/fs/cgroup/cpu.max", &quota, &period)) {
    read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota, &quota);
    read("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period, &period);
  }
  if (quota <= 0 || period <= 0) return 1 << 20;
  return static_cast<int>((quota + period - 1) / period);
}

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

int default_threads() {
  int cpus = static_cast<int>(std::thread::hardware_concurrency());
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = CPU_COUNT(&set);
#endif
  return std::clamp(std::min(cpus, quota_threads()), 1, 1024);
}

#if defined(__x86_64__)
FlushDenormals::FlushDenormals() : saved_(_mm_getcsr()) {
  _mm_setcsr(static_cast<unsigned>(saved_) | 0x8040u);
}
FlushDenormals::~FlushDenormals() {
  _mm_setcsr(static_cast<unsigned>(saved_));
}
#elif defined(__aarch64__)
FlushDenormals::FlushDenormals() {
  asm volatile("mrs %0, fpcr" : "=r"(saved_));
  asm volatile("msr fpcr, %0" ::"r"(saved_ | (1ul << 24)));
}
FlushDenormals::~FlushDenormals() {
  asm volatile("msr fpcr, %0" ::"r"(saved_));
}
#else
FlushDenormals::FlushDenormals() : saved_(0) {}
FlushDenormals::~FlushDenormals() = default;
#endif

struct ThreadPool::State {
  /// Where one worker waits for its next round: a cache line of its own, so that waking one disturbs no
  /// other.
  struct alignas(64) Ticket {
    std::atomic<uint32_t> round{0};
  };

  // One run at a time: `next` hands out indices, `busy` counts the workers still in the round.
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<int> busy{0};
  std::atomic<bool> stop{false};
  int64_t tasks = 0;
  const FunctionRef<void(int64_t, int)>* task = nullptr;
  int spins = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  std::vector<Ticket> tickets;  // by worker; the caller's, 0, is not used
  std::vector<std::thread> workers;

  void work(int worker) {
    const FlushDenormals flush;
    for (int64_t i; (i = next.fetch_add(1)) < tasks;) {
      try {
        (*task)(i, worker);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  }

  void wake(int worker) {
    Ticket& ticket = tickets[static_cast<size_t>(worker)];
    ticket.round.fetch_add(1);
    ticket.round.notify_one();
  }

  /// Waits for a round after `seen`: spins for some microseconds, since a training step follows at once, then
  /// sleeps.
  uint32_t await(int worker, uint32_t seen) {
    std::atomic<uint32_t>& round = tickets[static_cast<size_t>(worker)].round;
    for (int spin = 0; spin < spins; ++spin) {
      if (round.load() != seen) return round.load();
      pause();
    }
    round.wait(seen);
    return round.load();
  }

  void live(int worker) {
    for (uint32_t seen = 0;;) {
      seen = await(worker, seen);
      if (stop.load()) return;
      work(worker);
      busy.fetch_sub(1);
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  if (threads < 1 || threads > 1024) {
    throw Error(ErrorKind::usage, "the number of threads is out of range")
        .wanted("1 to 1024")
        .got(std::to_string(threads));
  }
  // A thread that spins where there are more threads than CPUs takes the CPU from one that has work.
  state_->spins = threads <= default_threads() ? 4000 : 0;
  state_->tickets = std::vector<State::Ticket>(static_cast<size_t>(threads));
  try {
    for (int worker = 1; worker < threads; ++worker) {
      state_->workers.emplace_back([state = state_.get(), worker] { state->live(worker); });
    }
  } catch (const std::system_error& e) {
    const int made = this->threads();
    end();
    throw Error(ErrorKind::runtime, "the system gives no more threads")
        .wanted(std::to_string(threads))
        .got(std::to_string(made) + " (" + e.code().message() + ")")
        .hint("use fewer: --threads " + std::to_string(made));
  }
}

ThreadPool::~ThreadPool() {
  end();
}

void ThreadPool::end() {
  state_->stop = true;
  for (int worker = 1; worker < threads(); ++worker) state_->wake(worker);
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::threads() const {
  return static_cast<int>(state_->workers.size()) + 1;
}

int ThreadPool::spins() const {
  return state_->spins;
}

void Gate::pass() {
  if (left_.fetch_sub(1) == 1) left_.notify_all();
}

void Gate::wait() {
  for (int spin = 0; spin < spins_ && left_.load() > 0; ++spin) pause();
  for (int left; (left = left_.load()) > 0;) left_.wait(left);
}

void ThreadPool::run(int64_t tasks, FunctionRef<void(int64_t, int)> task) {
  State& s = *state_;
  s.tasks = tasks;
  s.task = &task;
  s.next = 0;
  // The caller takes a task too: no more workers are woken than there are others.
  const int helpers = static_cast<int>(std::min<int64_t>(threads() - 1, tasks - 1));
  if (helpers > 0) {
    s.busy = helpers;
    for (int worker = 1; worker <= helpers; ++worker) s.wake(worker);
  }
  s.work(0);
  for (int spin = 0; helpers > 0 && s.busy.load() != 0; ++spin) {
    if (spin < s.spins) {
      pause();
    } else {
      std::this_thread::yield();  // more threads than CPUs: let them have ours
    }
  }
  if (s.failure) std::rethrow_exception(std::exchange(s.failure, nullptr));
}

}  // namespace unfold
