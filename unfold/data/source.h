// Data sets by name: where "mnist", "fashion-mnist", "strokes" or a directory of IDX or CIFAR files comes
// from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "unfold/data/dataset.h"

namespace unfold {

/// Who is told how it goes; both may be empty.
struct SourceLog {
  std::function<void(std::string_view)> say;                 ///< one line, no newline at its end
  std::function<void(uint64_t done, uint64_t total)> bytes;  ///< of a download, about ten times a second
  void line(std::string_view text) const {
    if (say) say(text);
  }
};

/// The names load_dataset knows.
std::vector<std::string> dataset_names();

/// Loads a data set. `name_or_directory` is one of dataset_names(), else a .csv or .npz file or a directory
/// with them (data/csv_images.h, data/npz.h), a directory with CIFAR's binary files (data/cifar.h) or the
/// four IDX files (train-images-idx3-ubyte ..., raw or .gz, `-` or `.` before idx); a directory called like a
/// data set is given as "./mnist". "mnist" is fetched if it is nowhere on this machine (see get_mnist). A
/// directory is called by its content where that is MNIST or Fashion-MNIST, else by its own name. It is the
/// asked-for data set or an error, never another one: data if it cannot be had, usage if the name is unknown.
DatasetPair load_dataset(const std::string& name_or_directory, const SourceLog& log);

/// Where a data set that load_dataset could load lies on this machine; empty for strokes, which lie nowhere.
std::filesystem::path dataset_directory(const std::string& name_or_directory);

/// load_dataset for a directory whose name and classes are known.
DatasetPair load_directory(const std::filesystem::path& directory, std::string_view name,
                           const std::vector<std::string>& classes);

/// Writes the four IDX files, raw, into `directory` (made if missing), each in one step.
void write_directory(const DatasetPair& data, const std::filesystem::path& directory);

/// $XDG_CACHE_HOME/unfold/NAME, else ~/.cache/unfold/NAME. Throws runtime where neither variable is set.
std::filesystem::path cache_directory(std::string_view name);

/// Where fashion-mnist is looked for, in order: Debian's dataset-fashion-mnist, the cache.
std::vector<std::filesystem::path> fashion_mnist_directories();

}  // namespace unfold
