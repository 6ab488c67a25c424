#include "cli/run.h"

#include <algorithm>
#include <cstdio>
#include <iomanip>
#include <sstream>

#include "cli/preprocess_option.h"
#include "cli/terminal.h"
#include "unfold/formats/network_file.h"
#include "unfold/suggest.h"
#include "unfold/train/run_folder.h"

namespace unfold::cli {

DatasetPair load_data(const std::string& name_or_directory, const Global& global,
                      const ImageFolderOptions& pictures, int threads, PictureSizes* sizes) {
  const bool draws = !global.quiet && interactive(2);
  bool drawn = false;
  const auto erase = [&] {
    if (drawn) std::cerr << '\r' << std::string(40, ' ') << '\r';
    drawn = false;
  };
  SourceLog log;
  if (!global.quiet) {
    log.say = [&](std::string_view line) {
      erase();
      std::cerr << line << std::endl;
    };
  }
  if (draws) {
    log.bytes = [&](uint64_t done, uint64_t total) {
      char text[40];
      std::snprintf(text, sizeof text, "\r  %6.1f of %6.1f MB", static_cast<double>(done) / 1e6,
                    static_cast<double>(total) / 1e6);
      std::cerr << text << std::flush;
      drawn = true;
    };
  }
  const std::vector<std::string> names = dataset_names();
  const bool named = std::find(names.begin(), names.end(), name_or_directory) != names.end();
  ThreadPool pool(threads > 0 ? threads : default_threads());
  DatasetPair data = !named && is_image_folder(name_or_directory)
                         ? load_image_folder(name_or_directory, pictures, pool, log, sizes)
                         : load_dataset(name_or_directory, log);
  erase();
  return data;
}

std::optional<Shape> shape_of(const std::string& text) {
  if (text.empty()) return {};
  int64_t c = 0, h = 0, w = 0;
  int used = 0;
  if (std::sscanf(text.c_str(), "%5ldx%5ldx%5ld%n", &c, &h, &w, &used) == 3 &&
      used == static_cast<int>(text.size()) && c > 0 && h > 0 && w > 0) {
    return Shape{c, h, w};
  }
  throw Error(ErrorKind::usage, "--input is no shape").wanted("CxHxW, such as 3x64x64").got(text);
}

ImageFolderOptions pictures_for(const Model& model, bool skip_bad) {
  return {.h = model.preprocessing.image_h, .w = model.preprocessing.image_w, .skip_bad = skip_bad};
}

OpenedModel open_for_images(const std::string& path, const std::string& preprocess, const Global& global) {
  std::filesystem::path file = path;
  if (path.empty()) {
    file = RunFolder::newest().best();
    if (!global.quiet) std::cerr << "model: " << file.string() << " (the newest run's)" << std::endl;
  } else {
    file = model_file_of(file);
  }
  LoadedModel loaded = load_model(file);
  const auto note = [&](const std::string& text) {
    std::cerr << "note: " << file.string() << ": " << text << std::endl;
  };
  if (!preprocess.empty()) {
    loaded.model.preprocessing = preprocessing_named(preprocess, loaded.model);
  } else if (!loaded.note.empty()) {
    note(loaded.note);
  } else if (loaded.assumed) {
    note("the file does not say how images become its input: bytes / 255 are assumed (--preprocess unit)");
  }
  return {std::move(loaded.model), file, loaded.assumed};
}

Model open_model(const std::string& path, const Global& global) {
  return open_for_images(path, "", global).model;
}

bool is_network(const std::string& name) {
  return std::find(model_names().begin(), model_names().end(), name) != model_names().end() ||
         std::filesystem::path(name).extension() == ".json";
}

Network network_called(const std::string& name) {
  const std::filesystem::path path(name);
  if (path.extension() == ".json") return read_network(path);
  if (is_network(name)) return network_named(name);
  throw unknown_name("model", name, {model_names().begin(), model_names().end()});
}

Model model_called(const std::string& name, const Global& global, const std::optional<Shape>& image,
                   std::optional<uint64_t> seed) {
  if (is_network(name)) return make_model(network_called(name), seed.value_or(0), {.image = image});
  const std::filesystem::path path(name);
  if (!name.empty() && !std::filesystem::exists(path)) {
    if (path.has_parent_path() || path.has_extension())
      throw Error(ErrorKind::model, "there is no such file").where(name).hint("'unfold models' lists names");
    throw unknown_name("model", name, {model_names().begin(), model_names().end()});
  }
  if (image || seed) {
    throw Error(ErrorKind::usage, "--input and --seed are for networks by name: a file has its own")
        .got(name);
  }
  return open_model(name, global);
}

void MachineOptions::add_to(CLI::App* command) {
  command->add_option("--threads", threads, "Threads; default: as many as this process may use")
      ->check(CLI::Range(1, 1024));
  command->add_option("--engine", engine, "fast (default), im2col or naive: which kernels compute");
}

void MachineOptions::add_numerics_to(CLI::App* command) {
  command->add_option("--numerics", numerics,
                      "fast (default): Winograd's convolutions where they pay; exact: plain sums only");
}

Numerics MachineOptions::resolved_numerics() const {
  if (numerics != "exact" && numerics != "fast") throw unknown_name("numerics", numerics, {"exact", "fast"});
  return numerics_named(numerics);
}

int MachineOptions::resolved_threads() const {
  return threads > 0 ? threads : default_threads();
}

Engine MachineOptions::resolved_engine() const {
  if (engine != "naive" && engine != "im2col" && engine != "fast") {
    throw unknown_name("engine", engine, {"naive", "im2col", "fast"});
  }
  return engine_named(engine);
}

std::string class_table(const ConfusionMatrix& confusion, const std::vector<std::string>& classes) {
  std::ostringstream out;
  size_t width = 5;
  for (const std::string& name : classes) width = std::max(width, std::min<size_t>(name.size(), 20));
  const auto w = static_cast<int>(width);
  out << std::left << std::setw(w) << "class" << std::right << "  precision  recall      f1  images\n";
  for (int64_t c = 0; c < confusion.classes(); ++c) {
    out << std::left << std::setw(w) << classes[static_cast<size_t>(c)].substr(0, 20) << std::right
        << std::fixed << std::setprecision(4) << std::setw(11) << confusion.precision(c) << std::setw(8)
        << confusion.recall(c) << std::setw(8) << confusion.f1(c) << std::setw(8) << confusion.support(c)
        << '\n';
  }
  return out.str();
}

std::string confusion_table(const ConfusionMatrix& confusion, const std::vector<std::string>& classes) {
  std::ostringstream out;
  out << "confusion matrix (rows: true class, columns: predicted)\n";
  out << "      ";
  for (const std::string& name : classes) out << std::setw(6) << name.substr(0, 5);
  out << '\n';
  for (int64_t t = 0; t < confusion.classes(); ++t) {
    out << std::left << std::setw(6) << classes[static_cast<size_t>(t)].substr(0, 5) << std::right;
    for (int64_t p = 0; p < confusion.classes(); ++p) out << std::setw(6) << confusion.count(t, p);
    out << '\n';
  }
  return out.str();
}

}  // namespace unfold::cli
