// What training is judged by: the confusion matrix and what follows from it, and the table of epochs.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unfold {

/// Counts of (true class, predicted class). Every ratio whose denominator is 0 (a class that never occurs,
/// a class that is never predicted, an empty matrix) is defined as 0, as scikit-learn's zero_division=0 does.
class ConfusionMatrix {
 public:
  static constexpr int64_t kMaxClasses = 1 << 14;
  static constexpr int64_t kMaxImages = int64_t{1} << 53;

  /// All counts 0. Throws usage unless 0 <= classes <= kMaxClasses.
  explicit ConfusionMatrix(int64_t classes);

  /// Counts one image, or several. Throws usage if either class is not in [0, classes()), or all images
  /// together were more than kMaxImages.
  void add(int64_t truth, int64_t predicted, int64_t images = 1);
  /// Adds the counts of `other`. Throws usage unless it has as many classes.
  void merge(const ConfusionMatrix& other);

  int64_t classes() const { return classes_; }
  int64_t count(int64_t truth, int64_t predicted) const { return counts_[index(truth, predicted)]; }
  int64_t total() const { return total_; }
  int64_t correct() const;             ///< sum of the diagonal
  int64_t support(int64_t c) const;    ///< images whose true class is c
  int64_t predicted(int64_t c) const;  ///< images that were taken for c
  double accuracy() const;             ///< correct() / total(), in 0..1
  double precision(int64_t c) const;   ///< of the images taken for c, the share that is c
  double recall(int64_t c) const;      ///< of the images that are c, the share taken for c
  double f1(int64_t c) const;          ///< harmonic mean of precision and recall
  bool operator==(const ConfusionMatrix&) const = default;

 private:
  /// Place of a cell. Throws usage if either class is out of range.
  size_t index(int64_t truth, int64_t predicted) const;

  int64_t classes_;
  int64_t total_ = 0;
  std::vector<int64_t> counts_;  // (classes, classes), a row per true class
};

/// The matrix as CSV (RFC 4180 quoting, lines end in LF): a header `true\predicted,CLASS...`, then one row
/// per true class. Throws usage unless there is one name per class.
std::string confusion_csv(const ConfusionMatrix& matrix, std::span<const std::string> classes);

/// A number that was not measured, such as val_loss where there is no validation split.
inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// One row of metrics.csv. Losses are means over the images, accuracies lie in 0..1.
struct EpochRow {
  int64_t epoch = 0;  ///< 1 for the first
  double train_loss = kMissing, train_acc = kMissing;
  double val_loss = kMissing, val_acc = kMissing;
  double lr = kMissing;            ///< learning rate of the epoch's last step
  double seconds = kMissing;       ///< training, shuffle and gather included
  double val_seconds = kMissing;   ///< validation
  double images_per_s = kMissing;  ///< training images / seconds
};

/// The epoch with the highest validation accuracy, of equal ones that with the smaller loss, of equal ones
/// the first. Where nothing was validated, the last. 0 if there is none.
int64_t best_epoch(std::span<const EpochRow> rows);

/// The rows as CSV under the header
/// `epoch,train_loss,train_acc,val_loss,val_acc,lr,seconds,val_seconds,images_per_s`. Numbers are the
/// shortest that read back as the same double, whatever the locale; one that is not finite is an empty cell.
std::string metrics_csv(std::span<const EpochRow> rows);

/// The inverse of metrics_csv: an empty cell becomes kMissing. LF and CRLF line ends are read. Throws data,
/// naming `where` and the line, if the header differs, a row has not nine cells, or a cell is no finite
/// number.
std::vector<EpochRow> parse_metrics_csv(std::string_view text, std::string_view where = "metrics.csv");

}  // namespace unfold
