// What the two kinds of page of `unfold explain` write alike into their JSON: see page.h and compact_page.h.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "unfold/explain/trace.h"

namespace unfold::page_json {

using Json = nlohmann::ordered_json;

/// Floats as base64 of little-endian float32.
std::string packed(std::span<const float> values);

/// A shape as a list of sizes.
Json sizes(const Shape& shape);

/// Node `index` of the model with its window and the numbers of its parameters.
Json layer(const Model& model, const LayerTimes& times, size_t index);

/// The text of a page's JSON, whatever bytes its names hold.
std::string text(const Json& page);

}  // namespace unfold::page_json
