// Threads: a persistent pool, how many threads there should be, and how a thread that computes treats
// denormals.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace unfold {

template <class Signature>
class FunctionRef;

/// A reference to something callable, as a parameter: never allocates, must not outlive the call it is passed
/// to.
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
  FunctionRef(F&& f)  // NOLINT(google-explicit-constructor): stands in for the callable
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(args...);
        }) {}
  R operator()(Args... args) const { return call_(object_, args...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

/// CPUs this process may use: its affinity mask, cut by the cgroup's CPU quota (rounded up), at least 1.
int default_threads();

/// Sets flush-to-zero and denormals-are-zero while it lives and restores what was there: a result that sinks
/// into the denormals costs a hundred cycles, and every thread must treat them alike for the bits to agree.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned long saved_;
};

/// A fixed number of workers that live as long as the pool; worker 0 is the caller of run().
class ThreadPool {
 public:
  /// Throws usage unless 1 <= threads <= 1024, and runtime if the system does not give as many.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;
  /// Looks at a counter before a waiting thread gives its CPU away; 0 where there are more threads than CPUs.
  int spins() const;

  /// Calls task(index, worker) once for every index in 0 .. tasks-1, 0 <= worker < threads(), and returns
  /// when all are done. Which worker takes which index is open, so a task's result must not depend on its
  /// worker. They are handed out in rising order, so a task may wait for those before it, if these wait for
  /// none (Gate). The first exception is rethrown here after the rest have finished. Denormals are flushed in
  /// every task. Not reentrant.
  void run(int64_t tasks, FunctionRef<void(int64_t index, int worker)> task);

 private:
  void end();  ///< stops and joins the workers

  struct State;
  std::unique_ptr<State> state_;
};

/// Holds tasks of a grid back until some others of it have passed. These must pass whatever happens, an
/// exception too: PassAtEnd.
class Gate {
 public:
  /// Opens when `count` have passed; at once for 0.
  Gate(const ThreadPool& pool, int64_t count) : left_(static_cast<int>(count)), spins_(pool.spins()) {}

  /// What was written before it is seen by those behind the gate. More than `count` change nothing.
  void pass();
  void wait();

 private:
  std::atomic<int> left_;
  int spins_;
};

/// Passes a gate, if there is one, when it goes out of scope.
class PassAtEnd {
 public:
  explicit PassAtEnd(Gate* gate) : gate_(gate) {}
  ~PassAtEnd() {
    if (gate_) gate_->pass();
  }
  PassAtEnd(const PassAtEnd&) = delete;
  PassAtEnd& operator=(const PassAtEnd&) = delete;

 private:
  Gate* gate_;
};

}  // namespace unfold
