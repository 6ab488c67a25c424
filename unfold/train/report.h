// The report of a training run: one HTML file that needs nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "unfold/shape.h"
#include "unfold/train/metrics.h"
#include "unfold/train/norms.h"

namespace unfold {

/// Everything a report shows. All text may come from strangers: it is shown as it is, never as markup.
struct Report {
  std::string title, model, dataset;
  std::string note;  ///< what a reader must know first ("trained on strokes, not on MNIST"); "" for nothing
  std::vector<std::pair<std::string, std::string>>
      facts;  ///< name, value: seed, threads, engine, recipe, versions
  std::vector<EpochRow> epochs;
  std::vector<NormRow> norms;  ///< of each layer and epoch, or none
  std::vector<std::pair<double, double>>
      rate;                      ///< (epochs passed, learning rate), fine enough to draw; or none
  ConfusionMatrix confusion{0};  ///< of the test images
  std::vector<std::string> classes;
  double test_loss = kMissing, test_accuracy = kMissing;

  /// One test image and what the model made of it.
  struct Sample {
    Shape image;                  ///< (C, H, W)
    std::vector<uint8_t> pixels;  ///< (C, H, W)
    int64_t truth = 0, predicted = 0;
    double confidence = 0;  ///< probability of `predicted`, in 0..1
    int64_t index = 0;      ///< place in the test set, from 0
  };
  std::vector<Sample> right, wrong;  ///< some of them; the wrong ones surest first
  std::string replay;         ///< what was recorded of the training, as read_replay gives it; "" for nothing
  int64_t replay_frames = 0;  ///< epochs in it
  int64_t best_epoch = 0;     ///< the epoch best.safetensors was saved in; 0: none
};

/// The report as one HTML page: no network, pictures inside, light and dark, readable on a phone, on paper,
/// by keyboard, by screen reader and without script. Throws usage unless there is one class name per class of
/// the confusion matrix, each sample's classes exist and its picture is (C, H, W) with as many bytes.
std::string report_html(const Report& report);

}  // namespace unfold
