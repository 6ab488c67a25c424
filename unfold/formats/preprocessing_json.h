// A Preprocessing as a part of a JSON value; for this library's own files.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "unfold/data/preprocess.h"

namespace unfold {

nlohmann::json preprocessing_json(const Preprocessing& how);

/// As parse_preprocessing, but what is wrong is not yet said to be anywhere: throws Error, or what the JSON
/// library throws.
Preprocessing preprocessing_from(const nlohmann::json& json, const Preprocessing* otherwise = nullptr);

}  // namespace unfold
