#include "bench/onednn_layer.h"

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <unordered_map>

namespace unfold::bench {
namespace {

using dnnl::memory;

/// Engine and stream of this version; made when first asked for, after the threads were set.
struct Runtime {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};
Runtime& runtime() {
  static Runtime the_runtime;
  return the_runtime;
}

/// Memory of a layout that oneDNN chose, filled with small numbers.
memory filled(const memory::desc& layout) {
  memory m(layout, runtime().engine);
  float* const values = m.map_data<float>();
  for (size_t i = 0; i < layout.get_size() / sizeof(float); ++i) {
    values[i] = static_cast<float>(static_cast<int>(i * 7 % 13) - 6) / 8;
  }
  m.unmap_data(values);
  return m;
}

// Version 3 dropped the descriptors of operations: everything goes to the primitive's.
template <class Primitive, class... Arguments>
typename Primitive::primitive_desc describe(const Arguments&... arguments) {
#if DNNL_VERSION_MAJOR >= 3
  return {runtime().engine, arguments...};
#else
  return {{arguments...}, runtime().engine};
#endif
}
template <class Primitive, class Forward, class... Arguments>
typename Primitive::primitive_desc describe_backward(const Forward& forward, const Arguments&... arguments) {
#if DNNL_VERSION_MAJOR >= 3
  return {runtime().engine, arguments..., forward};
#else
  return {{arguments...}, runtime().engine, forward};
#endif
}

std::function<void()> prepare(const Conv2dShape& s, Pass pass, std::string& kind) {
  const Window2d& k = s.window;
  const auto any = [](memory::dims sizes) {
    return memory::desc(std::move(sizes), memory::data_type::f32, memory::format_tag::any);
  };
  const auto x = any({s.n, s.ic, s.ih, s.iw}), y = any({s.n, s.oc, s.oh, s.ow});
  const auto w = k.groups == 1 ? any({s.oc, s.ic, k.kernel_h, k.kernel_w})
                               : any({k.groups, s.group_oc(), s.group_ic(), k.kernel_h, k.kernel_w});
  const auto b = any({s.oc});
  const memory::dims stride{k.stride_h, k.stride_w}, dilation{k.dilation_h - 1, k.dilation_w - 1};
  const memory::dims low{k.pad_top, k.pad_left}, high{k.pad_bottom, k.pad_right};
  constexpr auto direct = dnnl::algorithm::convolution_direct;

  const auto forward = describe<dnnl::convolution_forward>(dnnl::prop_kind::forward_training, direct, x, w, b,
                                                           y, stride, dilation, low, high);
  std::shared_ptr<dnnl::primitive> primitive;
  std::unordered_map<int, memory> arguments;
  if (pass == Pass::forward) {
    kind = forward.impl_info_str();
    primitive = std::make_shared<dnnl::convolution_forward>(forward);
    arguments = {{DNNL_ARG_SRC, filled(forward.src_desc())},
                 {DNNL_ARG_WEIGHTS, filled(forward.weights_desc())},
                 {DNNL_ARG_BIAS, filled(forward.bias_desc())},
                 {DNNL_ARG_DST, filled(forward.dst_desc())}};
  } else if (pass == Pass::backward_data) {
    const auto p = describe_backward<dnnl::convolution_backward_data>(forward, direct, x, w, y, stride,
                                                                      dilation, low, high);
    kind = p.impl_info_str();
    primitive = std::make_shared<dnnl::convolution_backward_data>(p);
    arguments = {{DNNL_ARG_DIFF_SRC, filled(p.diff_src_desc())},
                 {DNNL_ARG_WEIGHTS, filled(p.weights_desc())},
                 {DNNL_ARG_DIFF_DST, filled(p.diff_dst_desc())}};
  } else {
    const auto p = describe_backward<dnnl::convolution_backward_weights>(forward, direct, x, w, b, y, stride,
                                                                         dilation, low, high);
    kind = p.impl_info_str();
    primitive = std::make_shared<dnnl::convolution_backward_weights>(p);
    arguments = {{DNNL_ARG_SRC, filled(p.src_desc())},
                 {DNNL_ARG_DIFF_WEIGHTS, filled(p.diff_weights_desc())},
                 {DNNL_ARG_DIFF_BIAS, filled(p.diff_bias_desc())},
                 {DNNL_ARG_DIFF_DST, filled(p.diff_dst_desc())}};
  }
  return [primitive, arguments] {
    primitive->execute(runtime().stream, arguments);
    runtime().stream.wait();
  };
}

/// dnnl::error's message says little without its code, and another module must not need its type.
template <class F>
auto translated(const F& f) {
  try {
    return f();
  } catch (const dnnl::error& error) {
    throw std::runtime_error(std::string(error.what()) + " (status " + std::to_string(error.status) + ")");
  }
}

}  // namespace

// Threads are OpenMP's (OMP_NUM_THREADS) or those of the processors this process may use.
extern "C" __attribute__((visibility("default"))) void unfold_onednn(OneDnn& module) {
  const dnnl_version_t* v = dnnl_version();
  module.version = std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
  translated([] { runtime(); });
  module.prepare = [](const Conv2dShape& s, Pass pass, std::string& kind) {
    return translated([&] { return prepare(s, pass, kind); });
  };
}

}  // namespace unfold::bench
