// `unfold explain`'s page: one HTML file that loads nothing.
#pragma once

#include <string>
#include <vector>

#include "unfold/explain/seen.h"
#include "unfold/explain/trace.h"

namespace unfold {

/// One picture as its owner knows it.
struct ExplainedImage {
  std::string name;     ///< of the file
  std::string picture;  ///< a data: address of the picture, or empty
  Seen seen;
};

/// The trace as JSON: floats are base64 of little-endian float32, so the page has the engine's very bits.
/// docs/formats.md has the grammar.
std::string trace_json(const Model& model, const Trace& trace, const std::vector<ExplainedImage>& images);

/// The page around such JSON. `program`: what made it, for the last line. `title` and all names in the JSON
/// may be any text.
std::string explain_page(const std::string& json, const std::string& title, const std::string& program);

}  // namespace unfold
