#include "unfold/train/norms.h"

#include <cmath>

#include "unfold/error.h"
#include "unfold/kernels/sum.h"
#include "unfold/train/csv.h"

namespace unfold {
namespace {

constexpr std::string_view kHeader = "epoch,layer,weight_norm,gradient_norm";

}  // namespace

void add_squares(const Parameters<float>& values, std::span<double> sums) {
  const auto slices = values.table().slices();
  for (size_t i = 0; i < slices.size(); ++i) {
    if (slices[i].kind == ParameterKind::buffer) continue;
    sums[i] += sum_of_squares(slices[i].shape.elements(), values.slice(static_cast<int>(i)));
  }
}

std::vector<NormRow> layer_norms(int64_t epoch, const Parameters<float>& weights,
                                 std::span<const double> gradient_squares, int64_t steps) {
  const auto slices = weights.table().slices();
  std::vector<double> weight_squares(slices.size());
  add_squares(weights, weight_squares);
  std::vector<NormRow> rows;
  for (size_t i = 0; i < slices.size(); ++i) {
    const std::string layer = slices[i].name.substr(0, slices[i].name.rfind('.'));
    if (rows.empty() || rows.back().layer != layer) rows.push_back({epoch, layer, 0, 0});
    rows.back().weight += weight_squares[i];
    rows.back().gradient += gradient_squares[i];
  }
  for (NormRow& row : rows) {
    row.weight = std::sqrt(row.weight);
    row.gradient = steps > 0 ? std::sqrt(row.gradient / static_cast<double>(steps)) : kMissing;
  }
  return rows;
}

std::string norms_csv(std::span<const NormRow> rows) {
  std::string out(kHeader);
  out += '\n';
  for (const NormRow& row : rows) {
    out += std::to_string(row.epoch) + ',' + csv::quoted(row.layer) + ',' + csv::number(row.weight) + ',' +
           csv::number(row.gradient) + '\n';
  }
  return out;
}

std::vector<NormRow> parse_norms_csv(std::string_view text, std::string_view where) {
  const auto bad = [&](std::string_view what, size_t record) {
    return Error(ErrorKind::data, what).where(std::string(where) + ", record " + std::to_string(record));
  };
  const std::string_view first = text.substr(0, text.find('\n'));
  if (const auto header = csv::take_record(text);
      header != std::vector<std::string>{"epoch", "layer", "weight_norm", "gradient_norm"}) {
    throw bad("this is no table of norms", 1).wanted(kHeader).got(first.substr(0, 2 * kHeader.size()));
  }
  std::vector<NormRow> rows;
  for (size_t record = 2; !text.empty(); ++record) {
    const std::vector<std::string> cells = csv::take_record(text);
    if (cells.size() != 4) {
      throw bad("this record has not the header's cells", record)
          .wanted("4")
          .got(std::to_string(cells.size()));
    }
    NormRow row;
    row.layer = cells[1];
    const auto norm = [](const std::string& cell, double& value) {
      return cell.empty() || (csv::read(cell, value) && std::isfinite(value) && value >= 0);
    };
    if (!csv::read(cells[0], row.epoch) || row.epoch < 0 || !norm(cells[2], row.weight) ||
        !norm(cells[3], row.gradient)) {
      throw bad("a cell is no number of its column", record)
          .wanted("an epoch, a name, two norms")
          .got(cells[0] + "," + cells[1] + "," + cells[2] + "," + cells[3]);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace unfold
