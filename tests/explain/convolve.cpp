// convolve < QUESTIONS > ANSWERS: convolutions, forward and backward, by the library's reference kernels in
// double. JSON; a list of {x: shape (N, C, H, W) and its numbers, ...} becomes a list of {y, dx, dw, db},
// with null where the window does not fit.
#include <iostream>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "unfold/error.h"
#include "unfold/kernels/reference/conv2d.h"

using namespace unfold;
using Json = nlohmann::json;
using Numbers = std::vector<double>;

static Numbers numbers(const Json& question, const char* key, int64_t count) {
  const Numbers values = question.at(key);
  if (std::cmp_not_equal(values.size(), count)) throw Error(ErrorKind::usage, "another size").where(key);
  return values;
}

static Json answer(const Json& q) {
  const auto& [k, stride, pad, dilation] =
      std::tie(q.at("kernel"), q.at("stride"), q.at("pad"), q.at("dilation"));
  Conv2dShape s;
  try {
    const std::vector<int64_t> shape = q.at("shape");
    s = Conv2dShape::infer(Shape(shape), q.at("outputs"),
                           {k[0], k[1], stride[0], stride[1], pad[0], pad[1], pad[2], pad[3], dilation[0],
                            dilation[1], q.at("groups")},
                           "question");
  } catch (const Error&) {
    return {};
  }
  const Numbers x = numbers(q, "x", s.x_shape().elements()), w = numbers(q, "w", s.w_shape().elements()),
                b = numbers(q, "b", s.oc), dy = numbers(q, "dy", s.y_shape().elements());
  Numbers y(dy.size()), dx(x.size()), dw(w.size()), db(b.size());
  reference::conv2d_forward(s, x.data(), w.data(), b.data(), y.data());
  reference::conv2d_backward_data(s, w.data(), dy.data(), dx.data());
  reference::conv2d_backward_weights(s, x.data(), dy.data(), dw.data(), db.data());
  return {{"y", y}, {"dx", dx}, {"dw", dw}, {"db", db}};
}

int main() {
  Json answers = Json::array();
  for (const Json& question : Json::parse(std::cin)) answers.push_back(answer(question));
  std::cout << answers << std::endl;
}
