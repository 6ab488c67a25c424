#include "unfold/train/report.h"
#include "tests/support/base64.h"

#include <doctest/doctest.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "unfold/embedded_file.h"
#include "unfold/error.h"
#include "unfold/train/chart.h"
#include "unfold/train/html.h"

using namespace unfold;

namespace {

/// The script of a page without a replay.
std::string script() {
  for (const EmbeddedFile& file : report_files()) {
    if (file.name == "report.js") return std::string(file.text);
  }
  return "";
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

int64_t times(std::string_view text, std::string_view part) {
  int64_t n = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

Report::Sample sample(int64_t truth, int64_t predicted, Shape image = {1, 28, 28}) {
  Report::Sample s{image, {}, truth, predicted, 0.987, 42};
  uint32_t state = 1;
  for (int64_t i = 0; i < image.elements(); ++i) {  // noise: the worst case for a PNG
    state = state * 1664525u + 1013904223u;
    s.pixels.push_back(static_cast<uint8_t>(state >> 24));
  }
  return s;
}

Report example(int64_t epochs = 3, int64_t classes = 10) {
  Report r;
  r.title = "LeNet-5 on MNIST";
  r.model = "lenet5";
  r.dataset = "mnist";
  r.facts = {{"seed", "7"}, {"engine", "im2col"}};
  for (int64_t e = 1; e <= epochs; ++e) {
    const double x = static_cast<double>(e);
    r.epochs.push_back({e, 0.5 / x, 1 - 0.1 / x, 0.4 / x, 1 - 0.08 / x, 1e-3 / x, 2.5, 0.25, 20000});
  }
  r.best_epoch = epochs;
  r.confusion = ConfusionMatrix(classes);
  for (int64_t c = 0; c < classes; ++c) {
    for (int i = 0; i < 97; ++i) r.confusion.add(c, c);
    for (int i = 0; i < 3; ++i) r.confusion.add(c, (c + 1) % classes);
    r.classes.push_back("class-" + std::to_string(c));
  }
  r.test_loss = 0.0987;
  r.test_accuracy = r.confusion.accuracy();
  r.right = {sample(3, 3)};
  r.wrong = {sample(4, 5)};
  return r;
}

/// Every start tag that must be closed is, in the right order; attributes are quoted or plain words.
void check_nesting(const std::string& page) {
  std::vector<std::string> open;
  const std::vector<std::string> empty = {"meta", "img", "!DOCTYPE"};
  for (size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at)) {
    // An attribute's value may hold no '<' or '>', they are escaped: the tag ends at the next '>'.
    const size_t end = page.find('>', at);
    REQUIRE(end != std::string::npos);
    const std::string tag = page.substr(at + 1, end - at - 1);
    at = end;
    REQUIRE_FALSE(has(tag, "<"));
    const std::string word = tag.substr(0, tag.find_first_of(" \n"));
    if (word[0] == '/') {
      // The end tag of td may be left out before td and /tr.
      if (word == "/tr") {
        while (!open.empty() && open.back() == "td") open.pop_back();
      }
      REQUIRE_FALSE(open.empty());
      REQUIRE(open.back() == word.substr(1));
      open.pop_back();
    } else if (tag.back() != '/' && std::find(empty.begin(), empty.end(), word) == empty.end()) {
      if (word == "td" && open.back() == "td") open.pop_back();
      open.push_back(word);
      if (word == "script" || word == "style") at = page.find("</" + word, at);
    }
  }
  CHECK(open.empty());
}

}  // namespace

TEST_CASE("a report shows the headline figures, each section and each fact") {
  const std::string page = report_html(example());
  for (const char* part :
       {"<h1><bdi>LeNet-5 on MNIST</bdi></h1>", "97.00\xC2\xA0%", ">30</dd>", "wrong of 1,000 test images",
        ">0.0987</dd>", ">7.5 s</dd>", ">20,000</dd>", "<bdi>seed</bdi>", "<bdi>im2col</bdi>",
        "Most frequent mistakes", "Class by class", "is <b><bdi>class-4</bdi></b>",
        "predicted <b><bdi>class-5</bdi></b>", "98.7\xC2\xA0% sure", "3 (best)"}) {
    INFO(part);
    CHECK(has(page, part));
  }
  CHECK(times(page, "<svg class=\"chart\"") == 3);
  CHECK(times(page, "src=\"data:image/png;base64,") == 2);
  CHECK_FALSE(has(page, "{{"));
  check_nesting(page);
}

TEST_CASE("a report loads nothing and lets no script run but its own") {
  const std::string page = report_html(example());
  CHECK_FALSE(has(page, "http://"));
  CHECK_FALSE(has(page, "https://"));
  CHECK_FALSE(has(page, "url("));
  CHECK_FALSE(has(page, "<link"));
  CHECK(has(page, "default-src 'none'"));
  CHECK(has(page, "script-src 'sha256-"));
  CHECK(times(page, "<script") == 1);
  CHECK(has(page, "<script>" + script() + "</script>"));
}

TEST_CASE("the numbers of every chart and of the matrix stand in tables with scopes") {
  const std::string page = report_html(example());
  CHECK(times(page, "<tbody>") == 5);
  CHECK(times(page, "<caption>") == 5);
  CHECK(times(page, "<th>") == 0);
  for (const char* number :
       {"0.5000", "90.00\xC2\xA0%", "0.4000", "92.00\xC2\xA0%", "0.000333", "2.5 s", "20,000"}) {
    INFO(number);
    CHECK(has(page, "<td>" + std::string(number) + "</td>"));
  }
  CHECK(times(page, "<td class=b5>97") == 10);
  CHECK(times(page, "<td class=w5>3") == 10);
  CHECK(times(page, "<td class=z>0") == 80);
}

TEST_CASE("names that hold markup stay text, wherever they are shown") {
  const std::string evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{script}}";
  Report r = example();
  r.title = r.model = r.dataset = r.note = evil;
  r.facts = {{evil, evil}};
  r.classes[4] = r.classes[5] = evil;
  const std::string page = report_html(r);
  CHECK(times(page, "<script") == 1);
  CHECK(times(page, "<img") == 2);
  CHECK(times(page, "&lt;script&gt;alert(1)&lt;/script&gt;") >= 8);
  CHECK(times(page, script()) == 1);  // {{script}} in a name is not filled in
  CHECK(has(page, "&quot;&#39;&amp;{{script}}"));
  check_nesting(page);
}

TEST_CASE("right-to-left names are isolated, huge ones cut, broken ones repaired") {
  Report r = example();
  r.classes[0] = "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D";
  r.classes[1] = std::string(10240, 'W');
  r.classes[2] = std::string("a\0b\xFF\x80\x1B[31m", 10);
  r.classes[3] = "";
  r.facts.push_back({std::string(10240, 'K'), std::string(1 << 20, 'V')});
  r.title = std::string(10240, 'T');
  const std::string page = report_html(r);
  CHECK(has(page, "<bdi>\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D</bdi>"));
  CHECK_FALSE(has(page, std::string(1000, 'W')));
  CHECK(has(page, "WWW\xE2\x80\xA6"));
  CHECK(has(page,
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD[31m"));
  CHECK(has(page, "class 3"));
  CHECK(page.size() < 60000);
  check_nesting(page);
}

TEST_CASE("escaping keeps good UTF-8 and replaces what HTML forbids") {
  CHECK(html::escape("<a href=\"x\">'&") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  CHECK(html::escape("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80") == "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
  CHECK(html::escape("a\nb\tc") == "a b c");
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(html::escape("\x7F") == bad);
  CHECK(html::escape("\xC2\x85") == bad + bad);            // a C1 control
  CHECK(html::escape("\xC0\xBC") == bad + bad);            // '<' in two bytes
  CHECK(html::escape("\xED\xA0\x80") == bad + bad + bad);  // a surrogate
  CHECK(html::escape("\xEF\xBF\xBF") == bad + bad + bad);  // a noncharacter
  CHECK(html::escape("\xF5\x80\x80\x80") == bad + bad + bad + bad);
  CHECK(html::escape("x\xE2\x82") == "x" + bad + bad);  // cut short
  CHECK(html::escape("12345", 5) == "12345");
  CHECK(html::escape("&&&&&&", 3) == "&amp;&amp;\xE2\x80\xA6");
}

TEST_CASE("numbers are written the same way in every locale") {
  CHECK(html::number(0.98765, 2) == "0.99");
  CHECK(html::number(NAN, 2) == "\xE2\x80\x94");
  CHECK(html::significant(0.00012345, 3) == "0.000123");
  CHECK(html::count(0) == "0");
  CHECK(html::count(999) == "999");
  CHECK(html::count(1000) == "1,000");
  CHECK(html::count(-1234567) == "-1,234,567");
  CHECK(html::percent(0.98125, 1) == "98.1\xC2\xA0%");
  const std::vector<uint8_t> text = {'f', 'o', 'o', 'b', 'a'};
  CHECK(html::base64(text) == "Zm9vYmE=");
  CHECK(html::base64(std::span(text).first(4)) == "Zm9vYg==");
  CHECK(html::base64(std::span(text).first(3)) == "Zm9v");
  CHECK(html::base64({}).empty());
}

TEST_CASE("a picture is a PNG that holds its pixels") {
  for (const Shape& image : {Shape{1, 5, 7}, Shape{3, 4, 6}}) {
    const Report::Sample s = sample(0, 0, image);
    const std::string address = html::png_address(image, s.pixels, 48);
    REQUIRE(address.starts_with("data:image/png;base64,"));
    const std::vector<uint8_t> png = test::unbase64(std::string(address).substr(22));
    const auto h = static_cast<size_t>(image[1]), w = static_cast<size_t>(image[2]),
               c = static_cast<size_t>(image[0]);
    REQUIRE(png.size() > 57);
    CHECK(png[0] == 0x89);
    CHECK(std::string(png.begin() + 12, png.begin() + 16) == "IHDR");
    CHECK(png[19] == w);
    CHECK(png[23] == h);
    CHECK(png[24] == 8);
    CHECK(png[25] == (c == 3 ? 2 : 0));
    const auto u32 = [&](size_t at) {
      return uint32_t{png[at]} << 24 | png[at + 1] << 16 | png[at + 2] << 8 | png[at + 3];
    };
    CHECK(u32(29) == crc32(0, png.data() + 12, 17));
    const size_t packed = u32(33);
    CHECK(u32(41 + packed) == crc32(0, png.data() + 37, static_cast<uInt>(packed + 4)));
    std::vector<uint8_t> rows(h * (1 + w * c));
    uLongf size = rows.size();
    REQUIRE(uncompress(rows.data(), &size, png.data() + 41, packed) == Z_OK);
    REQUIRE(size == rows.size());
    for (size_t y = 0; y < h; ++y) {
      CHECK(rows[y * (1 + w * c)] == 0);
      for (size_t x = 0; x < w; ++x) {
        for (size_t k = 0; k < c; ++k)
          CHECK(rows[y * (1 + w * c) + 1 + x * c + k] == s.pixels[(k * h + y) * w + x]);
      }
    }
    CHECK(std::string(png.end() - 8, png.end() - 4) == "IEND");
  }
}

TEST_CASE("sixty samples keep a report below 600 kB, large photographs too") {
  for (const Shape& image : {Shape{1, 28, 28}, Shape{3, 32, 32}, Shape{3, 224, 224}, Shape{4, 100, 1}}) {
    Report r = example(10);
    r.right.assign(30, sample(1, 1, image));
    r.wrong.assign(30, sample(1, 2, image));
    const std::string page = report_html(r);
    INFO(image.text());
    CHECK(page.size() < 600000);
    CHECK(times(page, "<img") == 60);
  }
}

TEST_CASE("a report of nothing, of one epoch, without validation, without mistakes makes sense") {
  const std::string nothing = report_html(Report{});
  CHECK(has(nothing, "No epoch was trained"));
  CHECK(has(nothing, "No test image was classified"));
  CHECK(has(nothing, "<h1><bdi>Training report</bdi></h1>"));
  check_nesting(nothing);

  const std::string one = report_html(example(1));
  CHECK(times(one, "<svg") == 3);
  CHECK(has(one, "Loss over 1 epoch;"));
  CHECK(has(one, "<dt>epoch</dt>"));
  check_nesting(one);

  Report unvalidated = example();
  for (EpochRow& row : unvalidated.epochs) row.val_loss = row.val_acc = row.val_seconds = kMissing;
  const std::string page = report_html(unvalidated);
  CHECK(has(page, "No images were held out"));
  CHECK_FALSE(has(page, "class=\"s1\""));
  check_nesting(page);

  Report perfect = example();
  perfect.confusion = ConfusionMatrix(10);
  perfect.confusion.add(2, 2);
  perfect.wrong.clear();
  CHECK(times(report_html(perfect), "every test image was classified correctly") == 1);
  CHECK(times(report_html(perfect), "Every test image was classified correctly") == 1);

  Report diverged = example();
  for (EpochRow& row : diverged.epochs) row.train_loss = row.val_loss = NAN;
  diverged.epochs[0].val_loss = INFINITY;
  diverged.test_loss = NAN;
  diverged.right[0].confidence = NAN;
  for (const std::string& text : {nothing, one, page, report_html(diverged)}) {
    CHECK_FALSE(has(text, ">nan"));
    CHECK_FALSE(has(text, "\"nan"));
    CHECK_FALSE(has(text, "inf\""));
    CHECK_FALSE(has(text, " inf"));
  }
}

TEST_CASE("a hundred classes get a small matrix, more only a list of the largest errors") {
  const std::string hundred = report_html(example(3, 100));
  CHECK(has(hundred, "class=\"matrix many tall\""));
  CHECK(times(hundred, "<td class=") == 10000);
  CHECK(hundred.size() < 600000);
  check_nesting(hundred);
  const std::string more = report_html(example(3, 101));
  CHECK_FALSE(has(more, "class=\"matrix"));
  CHECK(has(more, "these are its largest errors"));
  CHECK(has(more, "Most frequent mistakes"));
}

TEST_CASE("a report of what does not fit together is refused") {
  Report names = example();
  names.classes.pop_back();
  CHECK_THROWS_AS(report_html(names), Error);
  Report classes = example();
  classes.wrong[0].predicted = 10;
  CHECK_THROWS_AS(report_html(classes), Error);
  Report pixels = example();
  pixels.right[0].pixels.pop_back();
  CHECK_THROWS_AS(report_html(pixels), Error);
  Report flat = example();
  flat.right[0].image = Shape{28, 28};
  CHECK_THROWS_AS(report_html(flat), Error);
}

TEST_CASE("ticks are round numbers around the values") {
  CHECK(ticks(0, 1, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(ticks(94.68, 99.48, 5) == std::vector<double>{94, 95, 96, 97, 98, 99, 100});
  for (const double low : {-1e308, -5.0, 0.0, 1e-300, 0.001, 97.3, 1e17, 1e308}) {
    for (const double range : {0.0, 1e-320, 1e-9, 0.3, 7.0, 1e5, 7e307}) {
      const std::vector<double> t = ticks(low, low + range, 5);
      INFO(low << " " << range);
      REQUIRE(t.size() >= 2);
      REQUIRE(t.size() <= 15);
      const double slack = 1e-6 * std::max({std::abs(low), std::abs(low + range), range});
      CHECK(t.front() <= low + slack);
      CHECK(t.back() >= low + range - slack);
      CHECK(std::is_sorted(t.begin(), t.end()));
      for (const double v : t) CHECK(std::isfinite(v));
    }
  }
}

TEST_CASE("a chart draws a gap where a value is missing, and reads out every epoch") {
  Chart chart;
  chart.title = "Loss";
  chart.epochs = {1, 2, 3, 4};
  chart.series = {{"train", {1.0, NAN, 0.5, 0.25}}, {"validation", {NAN, NAN, 0.5, NAN}}};
  chart.best_epoch = 3;
  const std::string svg = chart_svg(chart);
  CHECK(times(svg, "<g class=\"e\"") == 4);
  CHECK(times(svg, "tabindex=\"0\"") == 1);
  CHECK(has(svg, "aria-label=\"Epoch 1: train 1.0000\""));
  CHECK(has(svg, "aria-label=\"Epoch 2\""));
  CHECK(has(svg, "aria-label=\"Epoch 3: train 0.5000, validation 0.5000\""));
  CHECK(has(svg, "Loss over 4 epochs; train from 1.0000 to 0.2500; validation from 0.5000 to 0.5000."));
  CHECK(has(svg, ">best</text>"));
  const size_t path = svg.find("<path class=\"s0\" d=\"");
  CHECK(times(svg.substr(path, svg.find('>', path) - path), "M") == 2);  // two pieces
  chart.series = {{"train", {NAN, NAN, NAN, NAN}}};
  CHECK(chart_svg(chart).empty());
  CHECK(chart_svg(Chart{}).empty());
}

TEST_CASE("a chart of eight series tells them apart and reads out all of them; nine are refused") {
  Chart chart;
  chart.epochs = {1, 2};
  for (int i = 0; i < 8; ++i) chart.series.push_back({"<run " + std::to_string(i), {1.0 + i, NAN}});
  const std::string svg = chart_svg(chart);
  CHECK_FALSE(has(svg, "<run"));
  for (int i = 0; i < 8; ++i) {
    const std::string s = std::to_string(i);
    CHECK(times(svg, "<path class=\"s" + s + "\"") == 1);
    CHECK(times(svg, ">&lt;run " + s + "</text>") == 1);  // the legend, hidden while one points
    CHECK(times(svg, ">&lt;run " + s + " " + std::to_string(i + 1) + ".0000</text>") == 1);
  }
  CHECK(times(svg, "class=\"legend\"") == 1);
  CHECK(has(svg, "aria-label=\"Epoch 1: &lt;run 0 1.0000, &lt;run 1 2.0000,"));
  chart.series.push_back({"nine", {1, 2}});
  CHECK_THROWS_AS(chart_svg(chart), Error);
}

TEST_CASE("a chart draws what lies between the epochs, from the first point on") {
  Chart chart;
  chart.title = "Learning rate";
  chart.epochs = {1, 2};
  chart.series = {{"lr", {2, 0}}};
  chart.between = {{0, 0}, {0.5, 4}, {1, 2}, {2, 0}};
  const std::string svg = chart_svg(chart);
  // 0 to 2 epochs stand at x = 50 to 338, 0 to 4 at y = 210 to 40.
  CHECK(has(svg, "d=\"M50.0 210.0L122.0 40.0L194.0 125.0L338.0 210.0\""));
  CHECK(times(svg, "<g class=\"e\"") == 2);
}

TEST_CASE("ten thousand epochs do not swell a chart") {
  Chart chart;
  chart.series = {{"train", {}}};
  for (int64_t e = 1; e <= 10000; ++e) {
    chart.epochs.push_back(e);
    chart.series[0].values.push_back(1.0 / static_cast<double>(e));
  }
  CHECK(times(chart_svg(chart), "<g class=\"e\"") == 200);
}
