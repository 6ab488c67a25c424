#include "unfold/formats/transfer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "unfold/error.h"
#include "unfold/half.h"
#include "unfold/model.h"

using namespace unfold;

namespace {

/// A tensor of 16-bit numbers by their bits.
Tensor halves(Dtype dtype, const Shape& shape, std::initializer_list<int> bits) {
  Tensor tensor(dtype, shape);
  auto* to = static_cast<uint16_t*>(tensor.raw());
  for (const int b : bits) *to++ = static_cast<uint16_t>(b);
  return tensor;
}

Parameters<float> network() {
  Graph g;
  g.linear("fc", g.batch_norm("bn", g.input({2})), 3);
  Parameters<float> parameters(g.parameter_table());
  initialise(parameters, Init::pytorch, 1);
  return parameters;
}

}  // namespace

TEST_CASE("half precision and bfloat16 become the floats they are") {
  // 1, -2, 65504 (the largest), 2^-24 (the smallest), -0, 1/3 rounded
  CHECK(as_floats(halves(Dtype::f16, {6}, {0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x3555})) ==
        std::vector<float>{1, -2, 65504, 0x1p-24f, -0.0f, 0.333251953125f});
  const auto odd = as_floats(halves(Dtype::f16, {4}, {0x7c00, 0xfc00, 0x7e00, 0x03ff}));
  CHECK(odd[0] == std::numeric_limits<float>::infinity());
  CHECK(odd[1] == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(odd[2]));
  CHECK(odd[3] == 1023 * 0x1p-24f);
  CHECK(as_floats(halves(Dtype::bf16, {3}, {0x3f80, 0xc000, 0x3eab})) ==
        std::vector<float>{1, -2, 0.333984375f});
  CHECK_THROWS_AS(as_floats(Tensor(Dtype::i64, {2})), Error);
}

TEST_CASE("floats are rounded to 16 bits: to the nearest, halves to even") {
  // Every 16-bit number is itself; between two neighbours the nearer one is taken, in the middle the even
  // one.
  const auto check = [](auto to, auto from, uint16_t infinity) {
    for (uint32_t bits = 0; bits < infinity; ++bits) {
      const auto here = static_cast<uint16_t>(bits), next = static_cast<uint16_t>(bits + 1);
      const float low = from(here), high = bits + 1 < infinity ? from(next) : 0;
      if (to(low) != here || to(-low) != (here | 0x8000)) FAIL_CHECK("not itself: " << bits);
      if (bits + 1 >= infinity) continue;
      const auto middle = static_cast<float>((static_cast<double>(low) + static_cast<double>(high)) / 2);
      const uint16_t even = bits % 2 == 0 ? here : next;
      if (to(middle) != even || to(std::nextafter(middle, low)) != here ||
          to(std::nextafter(middle, high)) != next)
        FAIL_CHECK("wrong side of the middle: " << bits);
    }
  };
  check(to_half, from_half, 0x7c00);
  // Between the smallest of bfloat16 there is the same number of floats as anywhere: 2^16.
  check(to_bfloat, from_bfloat, 0x7f80);
  CHECK(to_half(65519.0f) == 0x7bff);
  CHECK(to_half(65520.0f) == 0x7c00);
  CHECK(to_half(-1e30f) == 0xfc00);
  CHECK(std::isnan(from_half(to_half(NAN))));
  CHECK(std::isnan(from_bfloat(to_bfloat(NAN))));
  CHECK(to_bfloat(std::numeric_limits<float>::max()) == 0x7f80);
  const Tensor large = Tensor::from<float>({2}, std::vector<float>{1, 1e5f});
  CHECK_THROWS_WITH_AS(as_dtype(large, Dtype::f16, "fc.weight"),
                       doctest::Contains("fc.weight: a weight is too large"), Error);
  CHECK(as_floats(as_dtype(large, Dtype::bf16, "fc.weight"))[1] == 99840.0f);
  CHECK(as_dtype(large, Dtype::f32, "").raw() == large.raw());
  CHECK_THROWS_AS(as_dtype(large, Dtype::i64, ""), Error);
}

TEST_CASE("what fits is taken over, and the rest is told") {
  Parameters<float> to = network();
  const Parameters<float> before = to;
  SafetensorsFile file;
  file.tensors.emplace_back("bn.weight", halves(Dtype::f16, {2}, {0x3c00, 0xc000}));
  file.tensors.emplace_back("bn.running_var", Tensor::from<double>({2}, std::vector<double>{4, 0.1}));
  file.tensors.emplace_back("bn.num_batches_tracked", Tensor(Dtype::i64, Shape{}));
  file.tensors.emplace_back("fc.weight", Tensor(Dtype::f32, {10, 2}));
  file.tensors.emplace_back("head.bias", Tensor(Dtype::f32, {7}));
  const Transfer t = transfer(file, to, "x.safetensors");
  CHECK(t.matched == std::vector<std::string>{"bn.weight", "bn.running_var"});
  CHECK(t.reshaped == std::vector<std::string>{"fc.weight: (10, 2) there, (3, 2) here"});
  CHECK(t.missing == std::vector<std::string>{"bn.bias", "bn.running_mean", "fc.bias"});
  CHECK(t.left_over == std::vector<std::string>{"head.bias"});
  CHECK(
      t.text(2) ==
      "2 taken over: bn.weight, bn.running_var\n1 of another shape, left as drawn: fc.weight: (10, 2) there, "
      "(3, 2) here\n"
      "3 not in the file, left as drawn: bn.bias, bn.running_mean, ...\n1 in the file only: head.bias");
  const auto at = [](const Parameters<float>& p, const char* name) { return p.slice(p.table().find(name)); };
  CHECK(at(to, "bn.weight")[1] == -2);
  CHECK(at(to, "bn.running_var")[1] == 0.1f);
  for (int i = 0; i < 6; ++i) CHECK(at(to, "fc.weight")[i] == at(before, "fc.weight")[i]);
}

TEST_CASE("nothing that fits, whole numbers, NaN: refused, and nothing changed") {
  Parameters<float> to = network();
  const std::vector<float> before(to.all().begin(), to.all().end());
  const auto refused = [&](const char* name, const Tensor& tensor, const char* what) {
    SafetensorsFile file;
    file.tensors.emplace_back("bn.bias", Tensor(Dtype::f32, {2}));
    if (std::string(name) == "other") file.tensors.clear();
    file.tensors.emplace_back(name, tensor);
    try {
      transfer(file, to, "x");
      FAIL("taken over");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::model);
      CHECK(std::string(e.what()).find(what) != std::string::npos);
    }
    CHECK(std::equal(before.begin(), before.end(), to.all().begin()));
  };
  refused("other", Tensor(Dtype::f32, {2}), "none of the file's tensors fits");
  refused("bn.weight", Tensor(Dtype::i64, {2}), "bn.weight");
  refused("bn.weight", halves(Dtype::f16, {2}, {0x7e00, 0}), "NaN");
}
