// Files of exercises/ that are part of the program, so that it needs none beside it. The definition is made
// at build time (cmake/embed_exercises.cmake).
#pragma once

#include <span>
#include <string_view>

namespace unfold::cli {

struct EmbeddedFile {
  std::string_view name, text;
};

/// All of them, by name: the exercises' empty files and runner.cpp.
std::span<const EmbeddedFile> embedded_files();

}  // namespace unfold::cli
