#include "unfold/train/comparison.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "unfold/error.h"
#include "unfold/train/html.h"
#include "unfold/train/page.h"
#include "unfold/train/report_curves.h"

namespace unfold {
namespace {

using html::cell;
using html::column;
using html::number;
using html::percent;
using html::row_head;

constexpr size_t kName = 60, kValue = 200;  // characters

std::string name_of(const Report& run) {
  return html::name(run.title, kName);
}

double training_seconds(const Report& run) {
  double seconds = 0;
  for (const EpochRow& row : run.epochs) seconds += std::isfinite(row.seconds) ? row.seconds : 0;
  return seconds;
}

double images_per_second(const Report& run) {
  double images = 0;
  for (const EpochRow& row : run.epochs) {
    if (std::isfinite(row.seconds) && std::isfinite(row.images_per_s))
      images += row.seconds * row.images_per_s;
  }
  return training_seconds(run) > 0 ? images / training_seconds(run) : kMissing;
}

/// The row of the epoch that was best, or one in which nothing was measured.
EpochRow best_row(const Report& run) {
  for (const EpochRow& row : run.epochs) {
    if (row.epoch == run.best_epoch) return row;
  }
  return {};
}

std::string results(std::span<const Report> runs) {
  struct Column {
    const char* name;
    double (*value)(const Report&);
    std::string (*text)(double);
    int better;  ///< 1: the larger, -1: the smaller, 0: neither
  };
  const auto loss = [](double v) { return number(v, 4); };
  const auto share = [](double v) { return percent(v); };
  const Column columns[] = {
      {"Test accuracy", [](const Report& r) { return r.test_accuracy; }, share, 1},
      {"Test loss", [](const Report& r) { return r.test_loss; }, loss, -1},
      {"Best validation accuracy", [](const Report& r) { return best_row(r).val_acc; }, share, 1},
      {"In epoch", [](const Report& r) { return static_cast<double>(r.best_epoch); },
       [](double v) { return html::rounded(v); }, 0},
      {"Epochs", [](const Report& r) { return static_cast<double>(r.epochs.size()); },
       [](double v) { return html::rounded(v); }, 0},
      {"Training", training_seconds, [](double v) { return html::duration(v); }, -1},
      {"Images/s", images_per_second, [](double v) { return html::rounded(v); }, 1},
  };
  std::string head = column("Run");
  for (const Column& c : columns) head += column(c.name);
  std::string body;
  for (const Report& run : runs) {
    body += "<tr>" + row_head(name_of(run));
    for (const Column& c : columns) {
      const double value = c.value(run);
      const bool best = c.better != 0 && std::isfinite(value) &&
                        std::none_of(runs.begin(), runs.end(), [&](const Report& r) {
                          return std::isfinite(c.value(r)) && c.better * c.value(r) > c.better * value;
                        });
      body += cell(best ? "<b>" + c.text(value) + "</b>" : c.text(value));
    }
    body += "</tr>\n";
  }
  return "<p>The best of each column is bold. Times are comparable between runs on the same machine "
         "only.</p>\n" +
         html::table("names best", "Results of the runs", head, body);
}

/// Every epoch that any of the runs has.
std::vector<int64_t> all_epochs(std::span<const Report> runs) {
  std::set<int64_t> epochs;
  for (const Report& run : runs) {
    for (const EpochRow& row : run.epochs) epochs.insert(row.epoch);
  }
  return {epochs.begin(), epochs.end()};
}

double value_at(const Report& run, int64_t epoch, double EpochRow::* field) {
  for (const EpochRow& row : run.epochs) {
    if (row.epoch == epoch) return row.*field;
  }
  return kMissing;
}

std::string curves(std::span<const Report> runs) {
  const std::vector<int64_t> epochs = all_epochs(runs);
  if (epochs.empty()) return "<p>No epoch was trained, so there is no curve to draw.</p>\n";
  const auto figure = [&](const char* title, const char* about, double EpochRow::* field, bool share,
                          int digits) {
    Chart chart;
    chart.title = title;
    chart.epochs = epochs;
    chart.digits = share ? 2 : digits;
    chart.unit = share ? " %" : "";
    chart.from_zero = !share;
    for (const Report& run : runs) {
      Series series{run.title, {}};
      for (const int64_t epoch : epochs)
        series.values.push_back((share ? 100 : 1) * value_at(run, epoch, field));
      chart.series.push_back(std::move(series));
    }
    return chart_figure(chart, about);
  };
  std::string out = "<p class=\"hint\">Point at a curve to read all runs.</p>\n<div class=\"charts\">\n" +
                    figure("Validation loss", "mean cross-entropy", &EpochRow::val_loss, false, 4) +
                    figure("Validation accuracy", "% of images", &EpochRow::val_acc, true, 2) +
                    figure("Train loss", "mean cross-entropy", &EpochRow::train_loss, false, 4) +
                    figure("Train accuracy", "% of images", &EpochRow::train_acc, true, 2) +
                    figure("Learning rate", "at the end of each epoch", &EpochRow::lr, false, -1) +
                    "</div>\n";
  std::string head = column("Epoch"), body;
  for (const char* what : {"loss", "accuracy"}) {
    for (const Report& run : runs) head += column(name_of(run) + ' ' + what);
  }
  for (const int64_t epoch : epochs) {
    body += "<tr>" + row_head(std::to_string(epoch));
    for (const Report& run : runs) body += cell(number(value_at(run, epoch, &EpochRow::val_loss), 4));
    for (const Report& run : runs) body += cell(percent(value_at(run, epoch, &EpochRow::val_acc)));
    body += "</tr>\n";
  }
  return out + "<details><summary>Validation by epoch as a table</summary>\n" +
         html::table("", "Validation loss and accuracy of each run by epoch", head, body) + "</details>\n";
}

using Setting = std::pair<std::string, std::vector<std::string>>;  // its name, its value in each run or ""

/// Model, data and facts of all runs, in the order in which they come first.
std::vector<Setting> settings_of(std::span<const Report> runs) {
  std::vector<Setting> settings;
  for (size_t i = 0; i < runs.size(); ++i) {
    std::vector<std::pair<std::string, std::string>> facts = {{"Model", runs[i].model},
                                                              {"Data", runs[i].dataset}};
    facts.insert(facts.end(), runs[i].facts.begin(), runs[i].facts.end());
    for (const auto& [name, value] : facts) {
      auto at =
          std::find_if(settings.begin(), settings.end(), [&](const Setting& s) { return s.first == name; });
      if (at == settings.end()) {
        at = settings.insert(settings.end(), {name, std::vector<std::string>(runs.size())});
      }
      at->second[i] = value;
    }
  }
  return settings;
}

std::string setting_tables(std::span<const Report> runs) {
  std::string differing, shared;
  for (const auto& [name, values] : settings_of(runs)) {
    const bool same = std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
    std::string& body = same ? shared : differing;
    body += "<tr>" + row_head(html::name(name, kName));
    for (size_t i = 0; i < (same ? 1 : values.size()); ++i) {
      body += cell(values[i].empty() ? "\xE2\x80\x94" : html::name(values[i], kValue));
    }
    body += "</tr>\n";
  }
  std::string head = column("Setting");
  for (const Report& run : runs) head += column(name_of(run));
  return (differing.empty() ? "<p>None: all settings are the same.</p>\n"
                            : html::table("names", "Settings that differ", head, differing)) +
         "<details><summary>Settings they share</summary>\n" +
         html::table("facts", "Settings the runs share", column("Setting") + column("Value"), shared) +
         "</details>\n";
}

}  // namespace

std::string comparison_html(std::span<const Report> runs) {
  if (runs.size() < 2 || runs.size() > kMaxCompared) {
    throw Error(ErrorKind::usage, "this many runs cannot be compared in one page")
        .wanted("2 to " + std::to_string(kMaxCompared))
        .got(std::to_string(runs.size()));
  }
  std::string subtitle;
  for (const Report& run : runs) subtitle += (subtitle.empty() ? "" : ", ") + name_of(run);
  const bool same_data =
      std::all_of(runs.begin(), runs.end(), [&](const Report& r) { return r.dataset == runs[0].dataset; });
  const char* note =
      same_data ? "" : "These runs saw different data: their losses and accuracies do not compare.";
  const std::string title = std::to_string(runs.size()) + " runs compared";
  const std::string main = html::section("results", "Results", results(runs)) +
                           html::section("curves", "Curves", curves(runs)) +
                           html::section("settings", "Settings that differ", setting_tables(runs));
  return html::page({title, subtitle, note, main});
}

}  // namespace unfold
