#include "unfold/train/report.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "unfold/error.h"
#include "unfold/train/html.h"
#include "unfold/train/page.h"
#include "unfold/train/report_curves.h"

namespace unfold {
namespace {

using html::cell;
using html::column;
using html::count;
using html::duration;
using html::number;
using html::percent;
using html::rounded;
using html::row_head;
using html::table;

constexpr size_t kLabel = 32;         // characters of a class name where there is little room
constexpr size_t kLongText = 400;     // characters of any other text
constexpr int64_t kMaxMatrix = 100;   // classes up to which the whole matrix is shown
constexpr int64_t kRoomyMatrix = 20;  // classes up to which its cells are large
constexpr size_t kMixUps = 10;        // rows of the list of mistakes
constexpr int64_t kSampleSide = 48;   // pixels; larger samples are averaged down to keep the file small

std::string class_label(const Report& report, int64_t c, size_t limit = kLabel) {
  const std::string& text = report.classes[static_cast<size_t>(c)];
  return text.empty() ? "class " + std::to_string(c) : html::name(text, limit);
}

std::string headline(const Report& report) {
  std::string out = "<dl class=\"figures\">\n";
  const auto figure = [&out](const std::string& value, const std::string& what, const char* style = "") {
    out += "<div" + std::string(style) + "><dt>" + what + "</dt><dd>" + value + "</dd></div>\n";
  };
  if (std::isfinite(report.test_accuracy))
    figure(percent(report.test_accuracy), "test accuracy", " class=\"main\"");
  if (const int64_t total = report.confusion.total(); total > 0) {
    figure(count(total - report.confusion.correct()), "wrong of " + count(total) + " test images");
  }
  if (std::isfinite(report.test_loss)) figure(number(report.test_loss, 4), "test loss");
  double seconds = 0, images = 0;
  for (const EpochRow& row : report.epochs) {
    if (!std::isfinite(row.seconds)) continue;
    seconds += row.seconds;
    if (std::isfinite(row.images_per_s)) images += row.seconds * row.images_per_s;
  }
  figure(count(static_cast<int64_t>(report.epochs.size())), report.epochs.size() == 1 ? "epoch" : "epochs");
  if (seconds > 0) figure(duration(seconds), "of training");
  if (seconds > 0 && images > 0) figure(rounded(images / seconds), "images per second");
  return out + "</dl>";
}

/// Class of a cell: shade 1 to 5 of blue on the diagonal, of vermillion beside it.
std::string shade(const char* hue, double share) {
  return hue + std::to_string(std::clamp(1 + static_cast<int>(share * 5), 1, 5));
}

struct MixUp {
  int64_t truth, predicted, count;
};

/// The pairs of classes that were mixed up, most frequent first.
std::vector<MixUp> mix_ups(const ConfusionMatrix& m) {
  std::vector<MixUp> out;
  for (int64_t t = 0; t < m.classes(); ++t) {
    for (int64_t p = 0; p < m.classes(); ++p) {
      if (t != p && m.count(t, p) > 0) out.push_back({t, p, m.count(t, p)});
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const MixUp& a, const MixUp& b) { return a.count > b.count; });
  return out;
}

std::string matrix_table(const Report& report, int64_t most) {
  const ConfusionMatrix& m = report.confusion;
  std::string head = column("true \\\npredicted"), body;
  bool tall = false;
  for (int64_t c = 0; c < m.classes(); ++c) {
    head += "<th scope=\"col\"><span>" + class_label(report, c) + "</span></th>";
    tall = tall || report.classes[static_cast<size_t>(c)].size() > 5;
  }
  for (int64_t t = 0; t < m.classes(); ++t) {
    body += "<tr>" + row_head(class_label(report, t));
    for (int64_t p = 0; p < m.classes(); ++p) {
      const int64_t n = m.count(t, p);
      const double share =
          t == p ? m.recall(t) : static_cast<double>(n) / static_cast<double>(std::max<int64_t>(most, 1));
      const std::string style = n == 0 ? "z" : shade(t == p ? "b" : "w", share);
      body +=
          "<td class=" + style + ">" + std::to_string(n);  // a cell's end tag may be left out: 10,000 cells
    }
    body += "</tr>\n";
  }
  const std::string style =
      std::string("matrix") + (m.classes() > kRoomyMatrix ? " many" : "") + (tall ? " tall" : "");
  return table(
      style,
      "Confusion matrix: counts of test images, one row per true class, one column per predicted class", head,
      body);
}

std::string confusion(const Report& report) {
  const ConfusionMatrix& m = report.confusion;
  if (m.total() == 0) return "<p>No test image was classified.</p>\n";
  const std::vector<MixUp> pairs = mix_ups(m);
  std::string out = "<p>";
  if (m.classes() <= kMaxMatrix) {
    out +=
        "Each row holds the test images of one true class, each column those the network took for a class. "
        "<span class=\"key b5\"></span> right, <span class=\"key w3\"></span> wrong: the stronger, the more.";
  } else {
    out += "With " + count(m.classes()) +
           " classes the matrix does not fit a page; these are its largest errors.";
  }
  out += "</p>\n<div class=\"two\">\n";
  if (m.classes() <= kMaxMatrix) out += matrix_table(report, pairs.empty() ? 0 : pairs[0].count);
  if (pairs.empty()) return out + "<p>Every test image was classified correctly.</p>\n</div>\n";
  std::string body;
  for (size_t i = 0; i < std::min(kMixUps, pairs.size()); ++i) {
    const MixUp& pair = pairs[i];
    body += "<tr>" + row_head(class_label(report, pair.truth)) + cell(class_label(report, pair.predicted)) +
            cell(count(pair.count)) +
            cell(percent(static_cast<double>(pair.count) / static_cast<double>(m.support(pair.truth)))) +
            "</tr>\n";
  }
  return out + "<div><h3>Most frequent mistakes</h3>\n" +
         table("names pairs", "Most frequent mistakes",
               column("True class") + column("Taken for") + column("Images") + column("Of its class"), body) +
         "</div>\n</div>\n";
}

std::string class_table(const Report& report) {
  const ConfusionMatrix& m = report.confusion;
  if (m.classes() == 0) return "<p>There are no classes.</p>\n";
  std::string body;
  for (int64_t c = 0; c < m.classes(); ++c) {
    const double recall = m.recall(c);
    body += "<tr><th scope=\"row\">" + class_label(report, c, kLongText) + "</th>" +
            cell(percent(m.precision(c))) +
            "<td><span class=\"meter\"><i style=\"width:" + number(100 * recall, 1) + "%\"></i></span>" +
            percent(recall) + "</td>" + cell(percent(m.f1(c))) + cell(count(m.support(c))) + "</tr>\n";
  }
  return "<p>Precision: of the images taken for a class, the share that belongs to it. Recall: of the images "
         "of a class, the "
         "share that was found. F1: their harmonic mean. Support: test images of the class.</p>\n" +
         table("names", "Precision, recall, F1 and support of each class",
               column("Class") + column("Precision") + column("Recall") + column("F1") + column("Support"),
               body);
}

std::string samples(const Report& report, const std::vector<Report::Sample>& shown, bool right) {
  if (shown.empty()) {
    const bool perfect =
        report.confusion.total() > 0 && report.confusion.correct() == report.confusion.total();
    if (!right && perfect) return "<p>None: every test image was classified correctly.</p>\n";
    return "<p>No images to show.</p>\n";
  }
  std::string out = "<p class=\"hint\">Some of the test images it got right.</p>\n";
  if (!right) {
    const int64_t wrong = report.confusion.total() - report.confusion.correct();
    out = "<p class=\"hint\">" +
          (wrong > static_cast<int64_t>(shown.size())
               ? "The " + count(static_cast<int64_t>(shown.size())) + " of " + count(wrong) +
                     " wrong answers that it was surest of: "
               : std::string("All wrong answers, the surest first: ")) +
          "what the test images are, what the network took them for, and how sure it was.</p>\n";
  }
  out += "<ul class=\"samples\">\n";
  for (const Report::Sample& sample : shown) {
    const std::string index = std::to_string(sample.index);
    out += "<li><img alt=\"Test image " + index + "\" title=\"test image " + index + "\" src=\"" +
           html::png_address(sample.image, sample.pixels, kSampleSide) + "\" width=\"" +
           std::to_string(sample.image[2]) + "\" height=\"" + std::to_string(sample.image[1]) + "\">";
    out += "<span>is <b>" + class_label(report, sample.truth) + "</b></span><span class=\"" +
           (right ? "yes" : "no") + "\">predicted <b>" + class_label(report, sample.predicted) +
           "</b></span><span>" + percent(sample.confidence, 1) + " sure</span></li>\n";
  }
  return out + "</ul>\n";
}

std::string facts(const Report& report) {
  std::string body;
  const auto fact = [&body](const std::string& key, const std::string& value) {
    if (!value.empty())
      body += "<tr>" + row_head(html::name(key, kLongText)) + cell(html::name(value, kLongText)) + "</tr>\n";
  };
  fact("model", report.model);
  fact("data set", report.dataset);
  for (const auto& [key, value] : report.facts) fact(key, value);
  if (body.empty()) return "<p>Nothing was recorded.</p>\n";
  return table("facts", "How the model was made", column("What") + column("Value"), body);
}

/// The controls of the replay and its data; the script makes the pictures. JSON in a script element can do
/// nothing and ends at the first "</": no '<' is left in it.
std::string replay(const Report& report) {
  std::string data;
  for (const char c : report.replay) {
    if (c == '<') {
      data += "\\u003c";
    } else {
      data += c;
    }
  }
  const std::string last = std::to_string(report.replay_frames - 1);
  return "<p class=\"hint\">What the network looked like after each epoch: its first filters, what they and "
         "the "
         "layers behind them make of one image, and which classes it mixed up.</p>\n"
         "<noscript><p>The replay needs JavaScript.</p></noscript>\n"
         "<div id=\"replay-stage\" hidden>\n<div class=\"controls\"><button type=\"button\" "
         "id=\"replay-play\">Play"
         "</button><label for=\"replay-at\">Epoch</label><input type=\"range\" id=\"replay-at\" min=\"0\" "
         "max=\"" +
         last + "\" step=\"1\" value=\"" + last +
         "\"><output id=\"replay-now\" for=\"replay-at\"></output></div>\n<div class=\"views\" "
         "id=\"replay-views\"></div>\n</div>\n<script type=\"application/json\" id=\"replay-data\">" +
         data + "</script>\n";
}

void check(const Report& report) {
  const int64_t classes = report.confusion.classes();
  if (report.classes.size() != static_cast<size_t>(classes)) {
    throw Error(ErrorKind::usage, "a report needs one name per class of its confusion matrix")
        .wanted(std::to_string(classes))
        .got(std::to_string(report.classes.size()));
  }
  for (const auto* samples : {&report.right, &report.wrong}) {
    for (const Report::Sample& sample : *samples) {
      for (const int64_t c : {sample.truth, sample.predicted}) {
        if (c >= 0 && c < classes) continue;
        throw Error(ErrorKind::usage, "a sample of the report is of no known class")
            .wanted("0 <= class < " + std::to_string(classes))
            .got(std::to_string(c));
      }
    }
  }
}

}  // namespace

std::string report_html(const Report& report) {
  check(report);
  const std::string title = report.title.empty() ? "Training report" : report.title;
  std::string subtitle = report.model.empty() ? "" : html::name(report.model, kLongText);
  if (!report.dataset.empty())
    subtitle += (subtitle.empty() ? "" : " on ") + html::name(report.dataset, kLongText);
  using html::section;
  const std::string main =
      headline(report) + section("learning", "Learning", report_curves(report)) +
      (report.replay.empty() ? "" : section("replay", "Training replay", replay(report))) +
      section("mistakes", "Where it goes wrong", confusion(report)) +
      section("classes", "Class by class", class_table(report)) +
      section("wrong", "The most confident mistakes", samples(report, report.wrong, false)) +
      section("right", "Right predictions", samples(report, report.right, true)) +
      section("facts", "How it was made", facts(report));
  return html::page({title, subtitle, report.note, main, !report.replay.empty()});
}

}  // namespace unfold
