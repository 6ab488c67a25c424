// What the two kinds of page of `unfold explain` write alike into their JSON: see page.h and compact_page.h.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "unfold/explain/seen.h"
#include "unfold/explain/top_patches.h"
#include "unfold/explain/trace.h"

namespace unfold::page_json {

using Json = nlohmann::ordered_json;

/// Floats as base64 of little-endian float32.
std::string packed(std::span<const float> values);

/// A shape as a list of sizes.
Json sizes(const Shape& shape);

/// Node `index` of the model with its window and the numbers of its parameters.
Json layer(const Model& model, const LayerTimes& times, size_t index);

/// How a page writes the numbers of a map, or those of a picture with all its channels.
using Writes = std::function<Json(std::span<const float>)>;

/// What the model saw in a picture.
Json seen(const Seen& seen, const Writes& map, const Writes& picture);

/// The patches that excite units most, each written with `height` x `width` pixels.
Json patches(const LayerPatches& seen, int64_t height, int64_t width, const Writes& patch);

/// The text of a page's JSON, whatever bytes its names hold.
std::string text(const Json& page);

}  // namespace unfold::page_json
