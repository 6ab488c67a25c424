// The table of operators, and docs/onnx.md, which must say the same.
#include "unfold/onnx/operators.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>

using namespace unfold;
using namespace unfold::onnx;

namespace {

std::string range_text(int least, int most, int none, const std::string& open) {
  if (most >= none) return std::to_string(least) + " " + open;
  return least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most);
}

std::string_view types_word(Types types) {
  constexpr std::string_view kWords[] = {"floats", "numbers", "values", "any", "booleans"};
  return kWords[static_cast<size_t>(types)];
}

/// A row as the document has it.
std::string row_text(const Operator& row) {
  std::string attributes;
  for (const AttributeRule& a : attribute_rules(row)) {
    attributes += (attributes.empty() ? "" : ", ") + std::string(a.name) + " " + std::string(a.kind);
  }
  return "| " + std::string(row.name) + " | " + range_text(row.first, row.last, kNewestOpset, "and later") +
         " | " + range_text(row.least_inputs, row.most_inputs, kMany, "or more") + " | " +
         std::string(types_word(row.types)) + " | " + attributes + " |";
}

}  // namespace

TEST_CASE("docs/onnx.md has every operator of the table, and no other") {
  std::vector<std::string> wanted, found;
  for (const Operator& row : operators()) wanted.push_back(row_text(row));
  std::ifstream file(UNFOLD_ONNX_DOCUMENT);
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (inside && !line.starts_with('|')) inside = false;
    if (inside && !line.starts_with("|---")) found.push_back(line);
    if (line.starts_with("| operator |")) inside = true;
  }
  REQUIRE(!found.empty());
  for (const std::string& row : wanted) {
    if (std::ranges::count(found, row) != 1) FAIL_CHECK("missing in the document: ", row);
  }
  for (const std::string& row : found) {
    if (std::ranges::count(wanted, row) != 1) FAIL_CHECK("not in the table: ", row);
  }
  CHECK(found == wanted);  // in the same order, too
}

TEST_CASE("the document tells how types are called") {
  std::ifstream file(UNFOLD_ONNX_DOCUMENT);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const Types types : {Types::floats, Types::numbers, Types::values, Types::any, Types::booleans}) {
    const std::string row =
        "| " + std::string(types_word(types)) + " | " + std::string(types_text(types)) + " |";
    CAPTURE(row);
    CHECK(text.find(row) != std::string::npos);
  }
}

TEST_CASE("rows are in order, forms of an operator do not overlap, attributes are well written") {
  const std::set<std::string_view> kinds = {"int", "float", "string", "tensor", "ints", "floats", "strings"};
  const auto rows = operators();
  for (size_t i = 0; i < rows.size(); ++i) {
    const Operator& row = rows[i];
    CAPTURE(row.name);
    CAPTURE(row.first);
    CHECK(row.first <= row.last);
    CHECK(row.last <= kNewestOpset);
    CHECK(row.least_inputs <= row.most_inputs);
    CHECK(bool(row.run != nullptr));
    std::vector<std::string_view> names;
    for (const AttributeRule& rule : attribute_rules(row)) {
      CHECK(kinds.contains(rule.kind));
      names.push_back(rule.name);
    }
    CHECK(std::ranges::is_sorted(names));
    CHECK(std::ranges::adjacent_find(names) == names.end());
    if (i == 0) continue;
    const Operator& before = rows[i - 1];
    CHECK(before.name <= row.name);
    if (before.name == row.name) CHECK(before.last + 1 == row.first);
  }
}

TEST_CASE("a row is found by name and opset") {
  CHECK(find_operator("Relu", 5) == nullptr);
  REQUIRE(find_operator("Relu", 6) != nullptr);
  CHECK(find_operator("Relu", kNewestOpset)->name == "Relu");
  CHECK(find_operator("Relu", kNewestOpset + 1) == nullptr);
  CHECK(find_operator("relu", 6) == nullptr);
  CHECK(find_operator("Squeeze", 12)->attributes == "axes:ints");
  CHECK(find_operator("Squeeze", 13)->attributes.empty());
  CHECK(find_operator("Upsample", 10) == nullptr);
  CHECK(takes(Types::any, Dtype::bf16));
  CHECK(!takes(Types::values, Dtype::f16));
  CHECK(!takes(Types::floats, Dtype::i64));
}
