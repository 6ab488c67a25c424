// A Preprocessing as JSON text: in model files, in the metadata of ONNX files, and in files of one's own.
#pragma once

#include <string>
#include <string_view>

#include "unfold/data/preprocess.h"

namespace unfold {

/// The object that docs/formats.md calls "preprocessing", keys sorted.
std::string preprocessing_text(const Preprocessing& how);

/// And back. With `otherwise`, what the text leaves out is as there, and a key that means nothing is refused;
/// without, every key must be there. Throws model, naming `where`, for what cannot be understood. The numbers
/// are checked by Preprocessing::check alone.
Preprocessing parse_preprocessing(std::string_view text, std::string_view where,
                                  const Preprocessing* otherwise = nullptr);

}  // namespace unfold
