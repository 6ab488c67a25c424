// What the commands about models and runs share.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cli/command.h"
#include "unfold/data/image_folder.h"
#include "unfold/data/source.h"
#include "unfold/formats/model_file.h"
#include "unfold/train/trainer.h"

namespace unfold::cli {

/// Loads a data set, or a folder of pictures, and says on stderr what it is doing, unless quiet. A download
/// draws its bytes. `pictures`: what is done to pictures of a folder, by so many threads (0: as many as this
/// process may use); `sizes`, if given, is told how large they were.
DatasetPair load_data(const std::string& name_or_directory, const Global& global,
                      const ImageFolderOptions& pictures = {}, int threads = 0,
                      PictureSizes* sizes = nullptr);

/// The shape of a text "CxHxW", or nothing for an empty one. Throws usage for another text.
std::optional<Shape> shape_of(const std::string& text);

/// Pictures of a folder as this model takes them.
ImageFolderOptions pictures_for(const Model& model, bool skip_bad = false);

/// A model as a command opened it.
struct OpenedModel {
  Model model;
  std::filesystem::path file;
  bool assumed = false;  ///< its file does not say how images become its input
};

/// The model in a file, or in a run's folder (its best), or, if `path` is empty, of the newest run, with
/// --preprocess over what the file says (preprocess_option.h), if that is not empty. Notes go to stderr.
OpenedModel open_for_images(const std::string& path, const std::string& preprocess, const Global& global);
/// The same, as its file has it.
Model open_model(const std::string& path, const Global& global);

/// A network as a command line calls it: a name of 'unfold models', or a file of layers in JSON. Throws usage
/// for another name, with the nearest; model for a file that is not there or cannot be read as one.
Network network_called(const std::string& name);
bool is_network(const std::string& name);  ///< or is it for open_model?

/// The network with fresh weights, its input `image` if given, or what open_model opens. Throws as
/// network_called does, and usage for a seed or an image's shape with a model that has its own.
Model model_called(const std::string& name, const Global& global, const std::optional<Shape>& image = {},
                   std::optional<uint64_t> seed = {});

/// The options --threads and --engine, with their checks.
struct MachineOptions {
  int threads = 0;  ///< 0: as many as this process may use
  std::string engine = "fast", numerics = "fast";
  void add_to(CLI::App* command);
  int resolved_threads() const;
  Engine resolved_engine() const;
  /// The option --numerics, for commands that train.
  void add_numerics_to(CLI::App* command);
  Numerics resolved_numerics() const;
};

/// Precision, recall, F1 and support by class, and the confusion matrix, for a terminal.
std::string class_table(const ConfusionMatrix& confusion, const std::vector<std::string>& classes);
std::string confusion_table(const ConfusionMatrix& confusion, const std::vector<std::string>& classes);

}  // namespace unfold::cli
