// The memory between a plan's tensors, for tests: NaN that nobody may overwrite, and that shows in what reads
// it.
#include <algorithm>

#include "unfold/plan.h"

namespace unfold {
namespace {

constexpr auto kGuard = std::byte{0xff};  // all bits set: a NaN as float and as double

}  // namespace

template <class T>
void Plan<T>::each_guard(Workspace<T>& workspace, FunctionRef<void(std::byte*, int64_t)> body) const {
  const auto in = [&](const std::vector<ByteRange>& ranges, std::byte* base) {
    for (const ByteRange& range : ranges) body(base + range.first, range.count);
  };
  const int64_t slabs = memory_.slabs ? memory_.slabs : workspace.threads();
  for (int64_t slab = 0; slab < slabs; ++slab) in(guards_, workspace.slab(slab));
  for (int worker = 0; worker < workspace.threads(); ++worker) {
    in(passing_guards_, workspace.passing(worker));
    in(scratch_guards_, reinterpret_cast<std::byte*>(workspace.scratch(worker)));
  }
  in(packed_guards_, reinterpret_cast<std::byte*>(workspace.packed()));
}

template <class T>
void Plan<T>::write_guards(Workspace<T>& workspace) const {
  each_guard(workspace, [](std::byte* from, int64_t count) { std::fill_n(from, count, kGuard); });
}

template <class T>
bool Plan<T>::guards_intact(Workspace<T>& workspace) const {
  bool intact = true;
  each_guard(workspace, [&](std::byte* from, int64_t count) {
    intact = intact && std::all_of(from, from + count, [](std::byte b) { return b == kGuard; });
  });
  return intact;
}

#define UNFOLD_INSTANTIATE(T)                                                                     \
  template void Plan<T>::each_guard(Workspace<T>&, FunctionRef<void(std::byte*, int64_t)>) const; \
  template void Plan<T>::write_guards(Workspace<T>&) const;                                       \
  template bool Plan<T>::guards_intact(Workspace<T>&) const;
UNFOLD_INSTANTIATE(float)
UNFOLD_INSTANTIATE(double)
#undef UNFOLD_INSTANTIATE

}  // namespace unfold
