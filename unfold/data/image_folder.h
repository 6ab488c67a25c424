// A folder of pictures, a subfolder a class, as torchvision's ImageFolder reads it.
#pragma once

#include <filesystem>

#include "unfold/data/dataset.h"
#include "unfold/data/source.h"
#include "unfold/threads.h"

namespace unfold {

struct ImageFolderOptions {
  int64_t h = 224, w = 224;  ///< what pictures are made where they are large or differ in size
  bool skip_bad =
      false;  ///< leave out files that cannot be read, and name them to the log; otherwise they are an error
};

/// How large the pictures of a folder are.
struct PictureSizes {
  int64_t least_h = 0, most_h = 0, least_w = 0, most_w = 0;
  void add(int64_t h, int64_t w);
};

/// Whether `root` looks like one: root/CLASS/picture or root/train/CLASS/picture.
bool is_image_folder(const std::filesystem::path& root);

/// Reads root/train/CLASS/..., root/val/CLASS/... (Dataset::validation) and root/test/CLASS/...; without a
/// folder train the classes lie in root itself. Without test pictures every sixth training picture of each
/// class is kept for the test: val's choose the best weights, so what they say of these is no test. Pictures
/// are .png, .jpg, .jpeg, .bmp, .ppm and .pgm files, at any depth below their class; classes are in the order
/// of their names, as bytes.
///
/// Each file is read and decoded once, by the workers of the pool. All pictures are held as bytes of one
/// size: their own, if all are alike and at most 256 x 256, else options.h x w, made by fit_picture. They
/// have three channels if one of them has, else one. The training pictures' order is drawn once and for all,
/// so that the last of them are a fair sample.
///
/// Throws data naming the folder or file: no classes, one without pictures, one that only the test has, more
/// than 16,384, a picture or folder that cannot be read; or if all of them would take more than 8 GiB.
/// `sizes`, if given, is told how large the pictures were.
DatasetPair load_image_folder(const std::filesystem::path& root, const ImageFolderOptions& options,
                              ThreadPool& pool, const SourceLog& log, PictureSizes* sizes = nullptr);

}  // namespace unfold
