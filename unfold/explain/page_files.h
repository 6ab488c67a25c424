// The files of pages, as cmake/embed.cmake puts them into the program.
#pragma once

#include <span>
#include <string_view>

namespace unfold {

struct PageFile {
  std::string_view name, text;
};
std::span<const PageFile> page_files();    ///< unfold/explain/page/
std::span<const PageFile> report_files();  ///< unfold/train/page/

}  // namespace unfold
