// The modules with oneDNN, found by what the build says and loaded so that they do not see each other.
#include <dlfcn.h>

#include <cstdio>
#include <sstream>
#include <stdexcept>

#include "bench/onednn_layer.h"

namespace unfold::bench {

std::vector<OneDnn> load_onednn() {
  std::vector<OneDnn> loaded;
  std::istringstream paths(UNFOLD_ONEDNN_MODULES);
  for (std::string path; std::getline(paths, path, ':');) {
    void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    auto* const entry = handle ? reinterpret_cast<OneDnnEntry*>(::dlsym(handle, "unfold_onednn")) : nullptr;
    try {
      if (!entry) throw std::runtime_error(::dlerror());
      OneDnn module;
      entry(module);
      loaded.push_back(std::move(module));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", path.c_str(), error.what());
    }
  }
  return loaded;
}

}  // namespace unfold::bench
