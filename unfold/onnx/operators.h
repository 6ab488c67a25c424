// The operators that are known here: a table of what each takes, and the function that computes it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/tensor.h"

namespace unfold::onnx {

class Call;

/// The newest version of ONNX's own operators that the table was compared with.
inline constexpr int kNewestOpset = 28;
/// In a row of the table: any number.
inline constexpr int kMany = 1 << 30;

/// The element types an operator's values may have.
enum class Types : uint8_t {
  floats,    ///< float32, float64
  numbers,   ///< these, int64, int32, uint8
  values,    ///< these, bool
  any,       ///< these, float16, bfloat16
  booleans,  ///< bool
};

/// One form of an operator. Where opsets changed how it is called, it has a row for each form.
struct Operator {
  std::string_view name;
  int first, last;  ///< opsets
  int least_inputs, most_inputs, most_outputs;
  Types types;                  ///< of input `typed`; float16 and bfloat16 are computed as float32
  std::string_view attributes;  ///< "axis:int pads:ints": those it knows, with their kinds
  void (*run)(Call&);
  int typed = 0;            ///< the input `types` speaks of; -1: none
  int wide_from = 1 << 20;  ///< outputs from this on stay float32 in 16-bit graphs
};

/// The table, by name, then by opset.
std::span<const Operator> operators();

/// The row for a node of this operator in a model of this opset, or null.
const Operator* find_operator(std::string_view name, int64_t opset);

/// One attribute of a row, taken apart.
struct AttributeRule {
  std::string_view name, kind;  ///< kind: "int", "float", "string", "tensor", "ints", "floats" or "strings"
};
std::vector<AttributeRule> attribute_rules(const Operator& row);

/// True if values of this type are taken as they are (`any` takes 16-bit numbers, the others do not).
bool takes(Types types, Dtype dtype);
/// "float32, float64", as the documentation has it.
std::string_view types_text(Types types);
/// NumPy's name of a type: "float32".
std::string_view type_text(Dtype dtype);

}  // namespace unfold::onnx
