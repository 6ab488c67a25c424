#include "unfold/train/report_curves.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "unfold/train/html.h"
#include "unfold/train/page.h"

namespace unfold {
namespace {

using html::cell;
using html::column;
using html::duration;
using html::number;
using html::percent;
using html::rounded;
using html::row_head;

constexpr size_t kLayerName = 32;  // characters

std::string epoch_table(const Report& report) {
  std::string head, body;
  for (const char* text : {"Epoch", "Train loss", "Train accuracy", "Validation loss", "Validation accuracy",
                           "Learning rate", "Training", "Validation", "Images/s"}) {
    head += column(text);
  }
  for (const EpochRow& row : report.epochs) {
    const bool best = row.epoch == report.best_epoch;
    body += (best ? "<tr class=\"top\">" : "<tr>") +
            row_head(std::to_string(row.epoch) + (best ? " (best)" : ""));
    body += cell(number(row.train_loss, 4)) + cell(percent(row.train_acc)) + cell(number(row.val_loss, 4)) +
            cell(percent(row.val_acc)) + cell(html::significant(row.lr, 3)) + cell(duration(row.seconds)) +
            cell(duration(row.val_seconds)) + cell(rounded(row.images_per_s)) + "</tr>\n";
  }
  return html::table("", "The numbers behind the curves", head, body);
}

Chart over_epochs(const Report& report, const char* title) {
  Chart chart;
  chart.title = title;
  for (const EpochRow& row : report.epochs) chart.epochs.push_back(row.epoch);
  chart.best_epoch = report.best_epoch;
  return chart;
}

/// The layers in the order in which they come in the rows.
std::vector<std::string> layers_of(const std::vector<NormRow>& rows) {
  std::vector<std::string> layers;
  for (const NormRow& row : rows) {
    if (std::find(layers.begin(), layers.end(), row.layer) == layers.end()) layers.push_back(row.layer);
  }
  return layers;
}

double norm_of(const Report& report, int64_t epoch, const std::string& layer, double NormRow::* norm) {
  const auto row = std::find_if(report.norms.begin(), report.norms.end(),
                                [&](const NormRow& r) { return r.epoch == epoch && r.layer == layer; });
  return row == report.norms.end() ? kMissing : (*row).*norm;
}

/// Charts of one norm of every layer, as many layers in each as a chart takes.
std::string norm_charts(const Report& report, const char* title, const char* about, double NormRow::* norm) {
  const std::vector<std::string> layers = layers_of(report.norms);
  std::string out;
  for (size_t first = 0; first < layers.size(); first += Chart::kMaxSeries) {
    Chart chart = over_epochs(report, title);
    chart.digits = -1;
    for (size_t i = first; i < std::min(layers.size(), first + Chart::kMaxSeries); ++i) {
      Series series{layers[i], {}};
      for (const int64_t epoch : chart.epochs)
        series.values.push_back(norm_of(report, epoch, layers[i], norm));
      chart.series.push_back(std::move(series));
    }
    out += chart_figure(chart, about);
  }
  return out;
}

std::string norm_table(const Report& report) {
  const std::vector<std::string> layers = layers_of(report.norms);
  if (layers.empty()) return "";
  std::string head = column("Epoch"), body;
  for (const char* what : {"gradient", "weights"}) {
    for (const std::string& layer : layers) head += column(html::name(layer, kLayerName) + ' ' + what);
  }
  for (const EpochRow& row : report.epochs) {
    body += "<tr>" + row_head(std::to_string(row.epoch));
    for (const auto norm : {&NormRow::gradient, &NormRow::weight}) {
      for (const std::string& layer : layers) {
        body += cell(html::significant(norm_of(report, row.epoch, layer, norm), 4));
      }
    }
    body += "</tr>\n";
  }
  return "<details><summary>Norms of every layer as a table</summary>\n" +
         html::table("", "Norms of gradients and weights by layer", head, body) + "</details>\n";
}

}  // namespace

std::string chart_figure(const Chart& chart, std::string_view about) {
  const std::string svg = chart_svg(chart);
  if (svg.empty()) return "";
  return "<figure><h3>" + chart.title + " <small>" + std::string(about) + "</small></h3>\n" + svg +
         "</figure>\n";
}

std::string report_curves(const Report& report) {
  if (report.epochs.empty()) return "<p>No epoch was trained, so there is no curve to draw.</p>\n";
  const auto values = [&report](double EpochRow::* field, double scale = 1) {
    std::vector<double> out;
    for (const EpochRow& row : report.epochs) out.push_back(scale * row.*field);
    return out;
  };
  const bool validated = std::any_of(report.epochs.begin(), report.epochs.end(), [](const EpochRow& row) {
    return std::isfinite(row.val_loss) || std::isfinite(row.val_acc);
  });
  Chart loss = over_epochs(report, "Loss"), accuracy = over_epochs(report, "Accuracy"),
        rate = over_epochs(report, "Learning rate");
  loss.series = {{"train", values(&EpochRow::train_loss)}};
  accuracy.unit = " %";
  accuracy.digits = 2;
  accuracy.from_zero = false;
  accuracy.series = {{"train", values(&EpochRow::train_acc, 100)}};
  rate.digits = -1;
  rate.series = {{"learning rate", values(&EpochRow::lr)}};
  rate.between = report.rate;
  if (validated) {
    loss.series.push_back({"validation", values(&EpochRow::val_loss)});
    accuracy.series.push_back({"validation", values(&EpochRow::val_acc, 100)});
  }
  const std::string hint =
      validated
          ? "<p class=\"hint\">Validation images are never trained on. Point at a curve to read it.</p>\n"
          : "<p class=\"hint\">No images were held out for validation. Point at a curve to read it.</p>\n";
  return hint + "<div class=\"charts\">\n" + chart_figure(loss, "cross-entropy, mean per image") +
         chart_figure(accuracy, "% of images") +
         chart_figure(rate, report.rate.empty() ? "at the end of each epoch" : "of every step") +
         norm_charts(report, "Gradients", "L2 norm by layer, over an epoch", &NormRow::gradient) +
         norm_charts(report, "Weights", "L2 norm by layer, after an epoch", &NormRow::weight) + "</div>\n" +
         epoch_table(report) + norm_table(report);
}

}  // namespace unfold
