// The networks that are known by name.
#pragma once

#include <span>
#include <string_view>

#include "unfold/graph.h"
#include "unfold/parameters.h"

namespace unfold {

struct ZooEntry {
  std::string_view name;
  Graph (*make)(const Shape& image, int64_t classes);
  Shape image;  ///< (C, H, W) that it was made for
  int64_t classes;
  Init init = Init::pytorch;
  std::string_view source;  ///< who it is by, and what it is for
};

/// All of them, small ones first.
std::span<const ZooEntry> zoo();

/// The one of this name. Throws usage for another, listing all.
const ZooEntry& zoo_entry(std::string_view name);

}  // namespace unfold
