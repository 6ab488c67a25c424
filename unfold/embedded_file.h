// Files that cmake/embed.cmake makes part of a program, so that it needs none beside it.
#pragma once

#include <span>
#include <string_view>

namespace unfold {

struct EmbeddedFile {
  std::string_view name, text;
};
std::span<const EmbeddedFile> page_files();    ///< unfold/explain/page/
std::span<const EmbeddedFile> report_files();  ///< unfold/train/page/

}  // namespace unfold
