#include "unfold/train/metrics.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "unfold/error.h"

using namespace unfold;

namespace {

/// truth 0: 3 right, 1 taken for 1; truth 1: 2 right; class 2 never occurs and is predicted once (for 1).
ConfusionMatrix small() {
  ConfusionMatrix m(3);
  for (int i = 0; i < 3; ++i) m.add(0, 0);
  m.add(0, 1);
  m.add(1, 1);
  m.add(1, 1);
  m.add(1, 2);
  return m;
}

const std::string kHeader = "epoch,train_loss,train_acc,val_loss,val_acc,lr,seconds,val_seconds,images_per_s";

std::string refused(const std::string& text) {
  try {
    parse_metrics_csv(text);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::data);
    return e.what();
  }
  return "";
}

bool same(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

}  // namespace

TEST_CASE("the confusion matrix counts by true class and predicted class") {
  const ConfusionMatrix m = small();
  CHECK(m.count(0, 0) == 3);
  CHECK(m.count(0, 1) == 1);
  CHECK(m.count(1, 0) == 0);
  CHECK(m.count(1, 2) == 1);
  CHECK(m.total() == 7);
  CHECK(m.correct() == 5);
  CHECK(m.support(0) == 4);
  CHECK(m.support(1) == 3);
  CHECK(m.support(2) == 0);
  CHECK(m.predicted(1) == 3);
}

TEST_CASE("accuracy, precision, recall and F1 are the textbook's") {
  const ConfusionMatrix m = small();
  CHECK(m.accuracy() == 5.0 / 7);
  CHECK(m.precision(0) == 1.0);
  CHECK(m.recall(0) == 0.75);
  CHECK(m.f1(0) == doctest::Approx(2 * 1.0 * 0.75 / 1.75).epsilon(1e-15));
  CHECK(m.precision(1) == 2.0 / 3);
  CHECK(m.recall(1) == 2.0 / 3);
  CHECK(m.f1(1) == doctest::Approx(2.0 / 3).epsilon(1e-15));
}

TEST_CASE("nothing divided by nothing is 0, never NaN") {
  const ConfusionMatrix m = small();
  CHECK(m.precision(2) == 0.0);  // predicted once, wrongly
  CHECK(m.recall(2) == 0.0);     // never occurs: 0/0
  CHECK(m.f1(2) == 0.0);
  const ConfusionMatrix empty(2);
  CHECK(empty.accuracy() == 0.0);
  CHECK(empty.precision(0) == 0.0);
  CHECK(empty.recall(0) == 0.0);
  CHECK(empty.f1(0) == 0.0);
  CHECK(ConfusionMatrix(0).accuracy() == 0.0);
}

TEST_CASE("merging two halves gives the matrix of the whole") {
  ConfusionMatrix whole(4), left(4), right(4);
  uint64_t state = 7;
  for (int i = 0; i < 1000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto truth = static_cast<int64_t>(state >> 62), predicted = static_cast<int64_t>(state >> 60 & 3);
    whole.add(truth, predicted);
    (i % 3 == 0 ? left : right).add(truth, predicted);
  }
  CHECK_FALSE(left == whole);
  left.merge(right);
  CHECK(left == whole);
  CHECK(left.total() == 1000);
}

TEST_CASE("classes that are not there are refused") {
  ConfusionMatrix m(3);
  CHECK_THROWS_AS(m.add(3, 0), Error);
  CHECK_THROWS_AS(m.add(0, 3), Error);
  CHECK_THROWS_AS(m.add(-1, 0), Error);
  CHECK_THROWS_AS(m.count(0, -1), Error);
  CHECK(m.total() == 0);
  CHECK_THROWS_AS(m.merge(ConfusionMatrix(4)), Error);
  CHECK_THROWS_AS(ConfusionMatrix(-1), Error);
  CHECK_THROWS_AS(ConfusionMatrix(int64_t{1} << 40), Error);
}

TEST_CASE("the confusion matrix as CSV quotes names as RFC 4180 says") {
  ConfusionMatrix m(3);
  m.add(0, 0);
  m.add(0, 2);
  m.add(2, 1);
  const std::vector<std::string> names = {"plain", "a,b", "say \"hi\"\nthere"};
  CHECK(confusion_csv(m, names) ==
        "true\\predicted,plain,\"a,b\",\"say \"\"hi\"\"\nthere\"\n"
        "plain,1,0,1\n"
        "\"a,b\",0,0,0\n"
        "\"say \"\"hi\"\"\nthere\",0,1,0\n");
  CHECK_THROWS_AS(confusion_csv(m, std::vector<std::string>{"one"}), Error);
}

TEST_CASE("metrics.csv has the documented header and the shortest exact numbers") {
  CHECK(metrics_csv({}) == kHeader + "\n");
  const std::vector<EpochRow> rows = {{1, 0.25, 0.925, 0.1, 0.97, 1e-3, 2.5, 0.25, 20000},
                                      {2, 0.125, 0.9625, kMissing, kMissing, 1e-5, 2.5, kMissing, 20000}};
  CHECK(metrics_csv(rows) ==
        kHeader + "\n1,0.25,0.925,0.1,0.97,0.001,2.5,0.25,20000\n" + "2,0.125,0.9625,,,1e-05,2.5,,20000\n");
}

TEST_CASE("metrics.csv reads back bit for bit, missing cells included") {
  std::vector<EpochRow> rows;
  for (int64_t i = 0; i < 200; ++i) {
    const double x = static_cast<double>(i);
    rows.push_back({i + 1, std::exp(-x / 3) / 7, 1 - 1 / (x + 3), i % 2 ? kMissing : std::sqrt(x), x / 201,
                    1e-300 * x, 1e300 / (x + 1), i % 3 ? kMissing : x / 3, 50000 / (x + 0.1)});
  }
  const std::vector<EpochRow> back = parse_metrics_csv(metrics_csv(rows));
  REQUIRE(back.size() == rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    CHECK(back[i].epoch == rows[i].epoch);
    CHECK(same(back[i].train_loss, rows[i].train_loss));
    CHECK(same(back[i].train_acc, rows[i].train_acc));
    CHECK(std::isnan(back[i].val_loss) == std::isnan(rows[i].val_loss));
    if (!std::isnan(rows[i].val_loss)) CHECK(same(back[i].val_loss, rows[i].val_loss));
    CHECK(same(back[i].val_acc, rows[i].val_acc));
    CHECK(same(back[i].lr, rows[i].lr));
    CHECK(same(back[i].seconds, rows[i].seconds));
    CHECK(std::isnan(back[i].val_seconds) == std::isnan(rows[i].val_seconds));
    CHECK(same(back[i].images_per_s, rows[i].images_per_s));
  }
}

TEST_CASE("a number that is not finite is written as an empty cell, never as nan or inf") {
  EpochRow row{3, INFINITY, NAN, -INFINITY, kMissing, 0.1, 1, 1, 1};
  CHECK(metrics_csv(std::span(&row, 1)) == kHeader + "\n3,,,,,0.1,1,1,1\n");
}

TEST_CASE("metrics.csv with Windows line ends or without the last one is read") {
  CHECK(parse_metrics_csv(kHeader + "\r\n1,2,3,4,5,6,7,8,9\r\n")[0].images_per_s == 9);
  CHECK(parse_metrics_csv(kHeader + "\n1,2,3,4,5,6,7,8,9")[0].val_seconds == 8);
  CHECK(parse_metrics_csv(kHeader).empty());
}

TEST_CASE("a bad metrics.csv is refused with the line that is bad") {
  CHECK(refused("").find("line 1") != std::string::npos);
  CHECK(refused("epoch,loss\n1,2\n").find("line 1") != std::string::npos);
  const std::string good = kHeader + "\n1,2,3,4,5,6,7,8,9\n";
  CHECK(refused(good).empty());
  CHECK(refused(good + "2,2,3,4,5,6,7,8\n").find("line 3") != std::string::npos);
  CHECK(refused(good + "2,2,3,4,5,6,7,8,9,10\n").find("line 3") != std::string::npos);
  CHECK(refused(good + "\n").find("line 3") != std::string::npos);
  for (const char* cell : {"nan", "inf", "-inf", "1e999", "0x10", "1.5s", " 1", "1 ", "\"1\"", "--1"}) {
    INFO(cell);
    CHECK(refused(good + "2," + cell + ",3,4,5,6,7,8,9\n").find("line 3") != std::string::npos);
  }
  for (const char* epoch : {"", "x", "1.5", "-1", "99999999999999999999"}) {
    INFO(epoch);
    CHECK(refused(good + epoch + ",2,3,4,5,6,7,8,9\n").find("line 3") != std::string::npos);
  }
}
