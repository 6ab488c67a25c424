#include "unfold/train/metrics.h"

#include <array>
#include <cmath>

#include "unfold/error.h"
#include "unfold/train/csv.h"

namespace unfold {
namespace {

constexpr std::string_view kHeader =
    "epoch,train_loss,train_acc,val_loss,val_acc,lr,seconds,val_seconds,images_per_s";

// The cells after `epoch`, in the header's order.
constexpr std::array kCells = {&EpochRow::train_loss,  &EpochRow::train_acc,   &EpochRow::val_loss,
                               &EpochRow::val_acc,     &EpochRow::lr,          &EpochRow::seconds,
                               &EpochRow::val_seconds, &EpochRow::images_per_s};

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Cuts what stands before the next `separator` off the front of `text`.
std::string_view take(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return head;
}

Error bad_line(std::string_view what, std::string_view where, size_t line) {
  return Error(ErrorKind::data, what).where(std::string(where) + ", line " + std::to_string(line));
}

EpochRow parse_row(std::string_view text, std::string_view where, size_t line) {
  size_t cells = 1;
  for (const char c : text) cells += c == ',';
  if (cells != kCells.size() + 1) {
    throw bad_line("this row has not the header's cells", where, line)
        .wanted(std::to_string(kCells.size() + 1))
        .got(std::to_string(cells))
        .hint("the file was cut or edited; the checkpoint holds the same numbers");
  }
  EpochRow row;
  const std::string_view epoch = take(text, ',');
  if (!csv::read(epoch, row.epoch) || row.epoch < 0) {
    throw bad_line("the epoch is no count", where, line).got("\"" + std::string(epoch) + "\"");
  }
  for (const auto cell : kCells) {
    const std::string_view number = take(text, ',');
    if (number.empty()) continue;  // stays kMissing
    if (!csv::read(number, row.*cell) || !std::isfinite(row.*cell)) {
      throw bad_line("this cell is no finite number", where, line).got("\"" + std::string(number) + "\"");
    }
  }
  return row;
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(int64_t classes) : classes_(classes) {
  if (classes < 0 || classes > kMaxClasses) {
    throw Error(ErrorKind::usage, "a confusion matrix cannot have this many classes")
        .wanted("0 to " + std::to_string(kMaxClasses))
        .got(std::to_string(classes));
  }
  counts_.resize(static_cast<size_t>(classes * classes));
}

size_t ConfusionMatrix::index(int64_t truth, int64_t predicted) const {
  for (const int64_t c : {truth, predicted}) {
    if (c >= 0 && c < classes_) continue;
    throw Error(ErrorKind::usage, "no such class in the confusion matrix")
        .wanted("0 <= class < " + std::to_string(classes_))
        .got(std::to_string(c));
  }
  return static_cast<size_t>(truth * classes_ + predicted);
}

void ConfusionMatrix::add(int64_t truth, int64_t predicted, int64_t images) {
  int64_t& cell = counts_[index(truth, predicted)];
  if (images < 0 || images > kMaxImages - total_) {
    throw Error(ErrorKind::usage, "a confusion matrix cannot count this many images")
        .wanted("0 to " + std::to_string(kMaxImages - total_))
        .got(std::to_string(images));
  }
  cell += images;
  total_ += images;
}

void ConfusionMatrix::merge(const ConfusionMatrix& other) {
  if (other.classes_ != classes_) {
    throw Error(ErrorKind::usage, "confusion matrices of different classes cannot be merged")
        .wanted(std::to_string(classes_))
        .got(std::to_string(other.classes_));
  }
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  total_ += other.total_;
}

int64_t ConfusionMatrix::correct() const {
  int64_t sum = 0;
  for (int64_t c = 0; c < classes_; ++c) sum += count(c, c);
  return sum;
}

int64_t ConfusionMatrix::support(int64_t c) const {
  int64_t sum = 0;
  for (int64_t other = 0; other < classes_; ++other) sum += count(c, other);
  return sum;
}

int64_t ConfusionMatrix::predicted(int64_t c) const {
  int64_t sum = 0;
  for (int64_t other = 0; other < classes_; ++other) sum += count(other, c);
  return sum;
}

double ConfusionMatrix::accuracy() const {
  return ratio(correct(), total_);
}
double ConfusionMatrix::precision(int64_t c) const {
  return ratio(count(c, c), predicted(c));
}
double ConfusionMatrix::recall(int64_t c) const {
  return ratio(count(c, c), support(c));
}

double ConfusionMatrix::f1(int64_t c) const {
  // 2 P R / (P + R), written so that it is 0/0 only where there is nothing to count.
  return ratio(2 * count(c, c), support(c) + predicted(c));
}

std::string confusion_csv(const ConfusionMatrix& matrix, std::span<const std::string> classes) {
  const int64_t n = matrix.classes();
  if (classes.size() != static_cast<size_t>(n)) {
    throw Error(ErrorKind::usage, "the confusion matrix needs one name per class")
        .wanted(std::to_string(n))
        .got(std::to_string(classes.size()));
  }
  std::string out = "true\\predicted";
  for (const std::string& name : classes) out += ',' + csv::quoted(name);
  out += '\n';
  for (int64_t truth = 0; truth < n; ++truth) {
    out += csv::quoted(classes[static_cast<size_t>(truth)]);
    for (int64_t predicted = 0; predicted < n; ++predicted) {
      out += ',' + std::to_string(matrix.count(truth, predicted));
    }
    out += '\n';
  }
  return out;
}

int64_t best_epoch(std::span<const EpochRow> rows) {
  const EpochRow* best = nullptr;
  for (const EpochRow& row : rows) {
    if (!best || std::isnan(row.val_acc) || row.val_acc > best->val_acc ||
        (row.val_acc == best->val_acc && row.val_loss < best->val_loss)) {
      best = &row;
    }
  }
  return best ? best->epoch : 0;
}

std::string metrics_csv(std::span<const EpochRow> rows) {
  std::string out(kHeader);
  out += '\n';
  for (const EpochRow& row : rows) {
    out += std::to_string(row.epoch);
    for (const auto cell : kCells) out += ',' + csv::number(row.*cell);
    out += '\n';
  }
  return out;
}

std::vector<EpochRow> parse_metrics_csv(std::string_view text, std::string_view where) {
  const auto next_line = [&text] {
    std::string_view line = take(text, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  };
  if (const std::string_view header = next_line(); header != kHeader) {
    throw bad_line("this is not a table of epochs", where, 1)
        .wanted(kHeader)
        .got(header.substr(0, 2 * kHeader.size()));
  }
  std::vector<EpochRow> rows;
  for (size_t line = 2; !text.empty(); ++line) rows.push_back(parse_row(next_line(), where, line));
  return rows;
}

}  // namespace unfold
