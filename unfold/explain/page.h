// `unfold explain`'s page: one HTML file that loads nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "unfold/explain/seen.h"
#include "unfold/explain/top_patches.h"
#include "unfold/explain/trace.h"

namespace unfold {

/// One picture as its owner knows it.
struct ExplainedImage {
  std::string name;     ///< of the file
  std::string picture;  ///< a data: address of the picture, or empty
  Seen seen;
};

/// What the page shows besides the trace.
struct Explained {
  std::vector<ExplainedImage> images;   ///< those of the trace
  std::optional<LayerPatches> patches;  ///< of the units the images were seen with
  std::string first;                    ///< the convolution the scenes begin with, or empty: a small example
};

/// The trace as JSON: floats are base64 of little-endian float32, so the page has the engine's very bits.
/// docs/formats.md has the grammar.
std::string trace_json(const Model& model, const Trace& trace, const Explained& explained);

/// About the bytes of the page of a model and so many images: to be asked before they are computed.
int64_t explain_page_bytes(const Model& model, int64_t images);

/// The page around such JSON. `program`: what made it, for the last line. `title` and all names in the JSON
/// may be any text.
std::string explain_page(const std::string& json, const std::string& title, const std::string& program);

}  // namespace unfold
