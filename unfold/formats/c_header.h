// A model as a header of C or C++: its file's bytes as an array, for programs that carry their weights along.
#pragma once

#include <string>
#include <string_view>

#include "unfold/model.h"

namespace unfold {

/// The text of a header that needs nothing but the standard library, for C99 and C++17. With NAME before each
/// of
///
///   NAME_model      the bytes save_model would write, in words of 64 bits, little-endian
///   NAME_bytes      how many of them count
///   NAME_name       the model's name
///   NAME_input      channels, height and width of the network's input
///   NAME_image      height and width of the images its preprocessing takes
///   NAME_classes    what the outputs mean, in their order
///
/// where NAME is `name`, or the model's own if that is empty, as c_identifier() makes it. In C++:
///
///   parse_model(std::as_bytes(std::span(NAME_model)).first(NAME_bytes), "NAME")
///
/// gives the model back, bit for bit. The text depends on the model and the name alone. Throws model for a
/// model that save_model would refuse, and usage for one of more than 64 MiB, which compilers cannot digest.
std::string c_header(const Model& model, std::string_view name = {});

/// `text` as part of an identifier: every run of characters other than letters and digits of ASCII becomes
/// one underscore, none stands at an end, and a digit at the start gets "model_" before it. "model" if
/// nothing is left.
std::string c_identifier(std::string_view text);

}  // namespace unfold
