// The page of `unfold explain` for networks too large to show all their numbers: the same page with less in
// it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "unfold/explain/page.h"

namespace unfold {

/// JSON as trace_json makes it, for the same explain_page, of some megabytes whatever the network: nothing of
/// a step of training; of each value the channels that an image excites most, averaged down; of the
/// convolutions, the chosen one first, windows of the real numbers, as many as fit; pictures of what it saw.
/// Whatever is only shown has eight bits. `inputs` (images, C, H, W) have been through the model's
/// preprocessing; `classes` are those the images were seen for. Throws usage if the sizes do not fit.
/// docs/formats.md has the grammar.
std::string compact_json(const Model& model, std::span<const float> inputs, std::span<const int32_t> classes,
                         const std::vector<LayerTimes>& times, const Explained& explained);

}  // namespace unfold
