// A recipe as JSON text: in checkpoints, and in a run's config.json.
#pragma once

#include <string>
#include <string_view>

#include "unfold/train/trainer.h"

namespace unfold {

/// Every setting by the name of its flag, with underscores; of an optimizer and a schedule those that it has.
std::string recipe_json(const Recipe& recipe, int indent);

/// The inverse; other members of the object are left alone, and settings that an earlier version did not
/// write are those that it had. Throws usage, or nlohmann's exceptions, for what is no recipe.
Recipe recipe_from_json(std::string_view text);

}  // namespace unfold
