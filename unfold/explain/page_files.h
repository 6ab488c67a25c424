// The files of unfold/explain/page/, as cmake/embed.cmake puts them into the program.
#pragma once

#include <span>
#include <string_view>

namespace unfold {

struct PageFile {
  std::string_view name, text;
};
std::span<const PageFile> page_files();

}  // namespace unfold
