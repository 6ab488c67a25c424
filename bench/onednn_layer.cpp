#include "bench/onednn_layer.h"

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

namespace unfold::bench {
namespace {

using dnnl::memory;

/// Memory of a layout that oneDNN chose, filled with small numbers.
memory filled(const memory::desc& layout, const dnnl::engine& engine) {
  memory m(layout, engine);
  auto* values = static_cast<float*>(m.get_data_handle());
  for (size_t i = 0; i < layout.get_size() / sizeof(float); ++i) {
    values[i] = static_cast<float>(static_cast<int>(i * 7 % 13) - 6) / 8;
  }
  return m;
}

}  // namespace

std::function<void()> onednn_pass(const Conv2dShape& s, Pass pass, std::string& kind) {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  static dnnl::stream stream(engine);
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

  const auto training = dnnl::prop_kind::forward_training;
  const dnnl::convolution_forward::primitive_desc forward(
      {training, direct, x, w, b, y, stride, dilation, low, high}, engine);
  std::shared_ptr<dnnl::primitive> primitive;
  std::unordered_map<int, memory> arguments;
  if (pass == Pass::forward) {
    kind = forward.impl_info_str();
    primitive = std::make_shared<dnnl::convolution_forward>(forward);
    arguments = {{DNNL_ARG_SRC, filled(forward.src_desc(), engine)},
                 {DNNL_ARG_WEIGHTS, filled(forward.weights_desc(), engine)},
                 {DNNL_ARG_BIAS, filled(forward.bias_desc(), engine)},
                 {DNNL_ARG_DST, filled(forward.dst_desc(), engine)}};
  } else if (pass == Pass::backward_data) {
    const dnnl::convolution_backward_data::primitive_desc p({direct, x, w, y, stride, dilation, low, high},
                                                            engine, forward);
    kind = p.impl_info_str();
    primitive = std::make_shared<dnnl::convolution_backward_data>(p);
    arguments = {{DNNL_ARG_DIFF_SRC, filled(p.diff_src_desc(), engine)},
                 {DNNL_ARG_WEIGHTS, filled(p.weights_desc(), engine)},
                 {DNNL_ARG_DIFF_DST, filled(p.diff_dst_desc(), engine)}};
  } else {
    const dnnl::convolution_backward_weights::primitive_desc p(
        {direct, x, w, b, y, stride, dilation, low, high}, engine, forward);
    kind = p.impl_info_str();
    primitive = std::make_shared<dnnl::convolution_backward_weights>(p);
    arguments = {{DNNL_ARG_SRC, filled(p.src_desc(), engine)},
                 {DNNL_ARG_DIFF_WEIGHTS, filled(p.diff_weights_desc(), engine)},
                 {DNNL_ARG_DIFF_BIAS, filled(p.diff_bias_desc(), engine)},
                 {DNNL_ARG_DIFF_DST, filled(p.diff_dst_desc(), engine)}};
  }
  return [primitive, arguments] {
    primitive->execute(stream, arguments);
    stream.wait();
  };
}

}  // namespace unfold::bench
