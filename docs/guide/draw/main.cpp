// guide_figures DIR           writes every figure of the guide as DIR/NAME.svg
// guide_figures --check DIR   says which files in DIR are not what would be written now; exit code 1 then
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>

#include "docs/guide/draw/figures.h"
#include "unfold/files.h"

namespace fs = std::filesystem;
using namespace unfold;

namespace {

std::string content(const fs::path& path) {
  const auto bytes = read_file(path, ErrorKind::runtime);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

int run(const fs::path& directory, bool check) {
  std::set<std::string> names;
  int wrong = 0;
  const auto differs = [&](const std::string& name, const char* how) {
    std::fprintf(stderr, "%s: %s\n", (directory / name).c_str(), how);
    ++wrong;
  };
  for (auto* chapter :
       {guide::index_figures, guide::product_figures, guide::pooling_figures, guide::gradient_figures}) {
    for (const guide::Figure& figure : chapter()) {
      const std::string name = figure.name + ".svg", svg = figure.drawing.svg();
      if (!names.insert(name).second)
        throw Error(ErrorKind::runtime, "two figures have one name").where(name);
      if (!check)
        write_file(directory / name, svg);
      else if (!fs::exists(directory / name))
        differs(name, "missing");
      else if (content(directory / name) != svg)
        differs(name, "not what is drawn now");
    }
  }
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (!names.contains(name)) differs(name, "no figure has this name");
  }
  if (wrong > 0) std::fprintf(stderr, "hint: cmake --build BUILD --target guide draws them anew\n");
  std::printf("%zu figures %s\n", names.size(), check ? "compared" : "drawn");
  return wrong > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool check = argc == 3 && std::strcmp(argv[1], "--check") == 0;
  if (argc != 2 && !check) {
    std::fprintf(stderr, "usage: guide_figures [--check] DIR\n");
    return 2;
  }
  try {
    return run(argv[argc - 1], check);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
