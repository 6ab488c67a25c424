// Pictures of one's own, as commands take them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "unfold/data/digit.h"
#include "unfold/model.h"

namespace unfold::cli {

/// The first word is the model if it is a model file or a run's folder, else it is empty; the others are
/// pictures. Throws usage, with a hint for `command`, if there is none.
std::pair<std::string, std::vector<std::string>> model_and_pictures(const std::vector<std::string>& words,
                                                                    const std::string& command);

/// The digit in a picture, as the network will see it. Throws model if the model does not take digits.
DigitView see(const Model& model, const std::string& path);

/// A picture for a model of any kind.
struct Picture {
  std::vector<uint8_t> pixels;  ///< what the model's preprocessing takes, (C, image_h, image_w)
  std::string thumbnail;        ///< the picture itself, small, as a data: address
  std::string note;             ///< why the model may not know what to say of it, or empty
};
Picture see_picture(const Model& model, const std::string& path);

}  // namespace unfold::cli
