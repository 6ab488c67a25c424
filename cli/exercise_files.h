// exercises/ in the program: the exercises' empty files and runner.cpp, by name.
#pragma once

#include "unfold/embedded_file.h"

namespace unfold {

std::span<const EmbeddedFile> exercise_files();

}  // namespace unfold
