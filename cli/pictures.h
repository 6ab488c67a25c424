// Pictures of one's own, as commands take them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "unfold/data/image.h"
#include "unfold/model.h"

namespace unfold::cli {

/// The first word is the model if it is a model file or a run's folder, else it is empty; the others are
/// pictures. Throws usage, with a hint for `command`, if there is none.
std::pair<std::string, std::vector<std::string>> model_and_pictures(const std::vector<std::string>& words,
                                                                    const std::string& command);

/// A picture as a model of any kind is to see it.
struct Picture {
  Image image;                  ///< the picture itself
  std::vector<uint8_t> pixels;  ///< what the model's preprocessing takes, (C, image_h, image_w)
  std::string note;             ///< why the model has no answer to it, or empty
  std::string advice;           ///< what to try if the answer surprises, or empty
};

/// Of a model that learned digits, the digit in the picture (see_digit), else the middle of it (fit_picture),
/// its light and dark exchanged if `invert`. Throws data for what is no picture, usage for `invert` with
/// digits, which are recognised either way, and model if the model takes neither grey nor coloured pictures.
Picture see_picture(const Model& model, const std::string& path, bool invert);

/// The help of the option --invert.
inline constexpr const char* kInvertHelp =
    "Exchange light and dark: for a model of light things on black and a picture on white";

/// The picture, small, as a data: address.
std::string thumbnail(const Image& image);

}  // namespace unfold::cli
