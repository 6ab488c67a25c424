#include "unfold/train/norms.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "unfold/error.h"

using namespace unfold;

namespace {

/// Two layers: a (weight 2x2, bias 1) and b (weight 40).
Parameters<float> network() {
  auto table = std::make_shared<ParameterTable>();
  table->add("a.weight", Shape{2, 2}, 1);
  table->add("a.bias", Shape{1}, 1);
  table->add("b.weight", Shape{40}, 1);
  return Parameters<float>(table);
}

void set(Parameters<float>& p, int slice, std::vector<float> values) {
  std::copy(values.begin(), values.end(), p.slice(slice));
}

}  // namespace

TEST_CASE("a layer's norm is that of its weights and biases together, by Pythagoras") {
  Parameters<float> weights = network(), gradient = network();
  set(weights, 0, {2, 2, 2, 2});
  set(weights, 1, {3});                           // 4 * 4 + 9 = 25
  set(weights, 2, std::vector<float>(40, 0.5f));  // 40 / 4 = 10
  set(gradient, 1, {6});
  set(gradient, 2, std::vector<float>(40, 1.0f));
  std::vector<double> squares(3);
  add_squares(gradient, squares);
  CHECK(squares == std::vector<double>{0, 36, 40});
  set(gradient, 1, {8});
  add_squares(gradient, squares);  // (36 + 64) / 2 = 50; (40 + 40) / 2 = 40
  const std::vector<NormRow> rows = layer_norms(7, weights, squares, 2);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].epoch == 7);
  CHECK(rows[0].layer == "a");
  CHECK(rows[0].weight == 5);
  CHECK(rows[0].gradient == std::sqrt(50.0));
  CHECK(rows[1].layer == "b");
  CHECK(rows[1].weight == std::sqrt(10.0));
  CHECK(rows[1].gradient == std::sqrt(40.0));
  CHECK(std::isnan(layer_norms(7, weights, squares, 0)[0].gradient));
}

TEST_CASE("norms.csv reads back as it was written, whatever a layer is called") {
  const std::vector<NormRow> rows = {{1, "conv1", 0.1, 1e-300},
                                     {1, "a,\"b\"\nc", 1.0 / 3, std::nan("")},
                                     {2, "", 0, std::numeric_limits<double>::max()}};
  const std::string text = norms_csv(rows);
  CHECK(text.starts_with(
      "epoch,layer,weight_norm,gradient_norm\n1,conv1,0.1,1e-300\n1,\"a,\"\"b\"\"\nc\",0.3"));
  const std::vector<NormRow> read = parse_norms_csv(text);
  REQUIRE(read.size() == rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    CHECK(read[i].epoch == rows[i].epoch);
    CHECK(read[i].layer == rows[i].layer);
    CHECK(read[i].weight == rows[i].weight);
    CHECK((read[i].gradient == rows[i].gradient || std::isnan(rows[i].gradient)));
  }
  CHECK(std::isnan(read[1].gradient));
  CHECK(parse_norms_csv("epoch,layer,weight_norm,gradient_norm\r\n3,x,1,2\r\n").at(0).gradient == 2);
  CHECK(parse_norms_csv("epoch,layer,weight_norm,gradient_norm").empty());
}

TEST_CASE("what is no table of norms is refused, with the place") {
  const std::string header = "epoch,layer,weight_norm,gradient_norm\n";
  for (const std::string& text :
       {std::string(), std::string("epoch,loss\n"), header + "1,conv1,2\n", header + "x,conv1,1,2\n",
        header + "1,conv1,nan,2\n", header + "1,conv1,1,-2\n", header + "1,conv1,1,2\n\n",
        header + "1,\"conv1,1,2\n"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_norms_csv(text, "norms.csv"), Error);
  }
}
