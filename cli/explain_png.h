// The pictures behind `unfold explain --png`: what a network learned, seen on one image.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "unfold/data/dataset.h"
#include "unfold/model.h"

namespace unfold::cli {

struct PictureOptions {
  std::string layer;   ///< whose units are shown; empty: the last convolution, else the last layer
  std::string target;  ///< name or index of the class asked about; empty: the one the network predicts
  int64_t unit = -1;   ///< one unit of the layer; -1: the 16 that this image excites most
  const Dataset* data =
      nullptr;  ///< where the patches that excite a unit most are looked for; null: no patches
  Engine engine = Engine::fast;
};

struct WrittenPicture {
  std::filesystem::path path;
  std::string caption;  ///< what it shows and how its colours are scaled, for people
};

/// Writes PNG files into `folder` (made if missing; of those names, replaced) for one image's bytes (C,
/// image_h, image_w), and returns what it wrote, in order: overview (the next six in a row), input, saliency,
/// guided, deconvnet, gradcam, occlusion; then maps, units and, with data, patches of the layer, and the
/// filters of the first convolution. What a network without convolution does not have is left out. Throws
/// usage for a layer, class or unit that is not there, before anything is written.
std::vector<WrittenPicture> write_pictures(const Model& model, std::span<const uint8_t> image,
                                           const PictureOptions& options, ThreadPool& pool,
                                           const std::filesystem::path& folder);

}  // namespace unfold::cli
