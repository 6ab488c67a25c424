// The layers that a network's file may name: PyTorch's names, and the operators and attributes behind them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "unfold/ops/op.h"

namespace unfold {

/// What a setting holds in the file, and how many numbers it is in an operator's attributes.
enum class SettingKind {
  count,    ///< a whole number, or "classes"                                -> 1
  number,   ///< any number                                                  -> 1
  flag,     ///< true or false                                               -> 1
  pair,     ///< a whole number, or [height, width]                          -> 2
  padding,  ///< a whole number, [height, width], or, as torch's ZeroPad2d has it, [left, right, top, bottom]
            ///<                                                             -> 4: top, left, bottom, right
  list,     ///< whole numbers                                               -> as many
};

struct LayerSetting {
  std::string_view name;  ///< in the file
  SettingKind kind;
  std::string_view attribute;          ///< of the operator; that of the same name if empty
  std::vector<double> otherwise = {};  ///< what it is where it is left out; none: it must be there
  std::string_view like = {};          ///< left out: what this other setting is
};

struct LayerType {
  std::vector<std::string_view> names;  ///< the first is PyTorch's
  std::string_view op;                  ///< a type of make_op
  std::vector<LayerSetting> settings = {};
  Attributes fixed = {};  ///< attributes that no setting changes
};

std::span<const LayerType> known_layers();

}  // namespace unfold
