#include "unfold/data/csv_images.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "tests/support/data_files.h"
#include "unfold/data/source.h"
#include "unfold/error.h"
#include "unfold/files.h"

using namespace unfold;

namespace {

Dataset parsed(const std::string& text) {
  Dataset data;
  parse_csv(std::as_bytes(std::span(text)), "x.csv", data);
  return data;
}
std::string refusal(const std::string& text) {
  try {
    parsed(text);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::data);
    return e.what();
  }
  return "not refused";
}
bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A line for an image of 2 x 2 pixels of this value.
std::string line(int label, int v) {
  const std::string pixel = "," + std::to_string(v);
  return std::to_string(label) + pixel + pixel + pixel + pixel + "\n";
}

}  // namespace

TEST_CASE("Kaggle's MNIST: a line of headings, the label first") {
  const Dataset data = parsed("label,pixel0,pixel1,pixel2,pixel3\n7,0,255,12,9\n0,1,2,3,4\n");
  CHECK(data.image == Shape{1, 2, 2});
  CHECK(data.labels == std::vector<int32_t>{7, 0});
  CHECK(data.pixels == std::vector<uint8_t>{0, 255, 12, 9, 1, 2, 3, 4});
}

TEST_CASE("no headings: the label first; headings say where else it is; quotes, spaces, line ends, a mark") {
  CHECK(parsed("7,1,2,3,4").labels == std::vector<int32_t>{7});
  for (const char* text :
       {"\xEF\xBB\xBF"
        "a,b,c,d,label\n1,2,3,4,7\n",
        "a,b,c,d,Label\r\n1,2,3,4,7\r\n\r\n", "\n\n\"a\",\"b\",\"c\",\"d\",\"LABEL\"\n 1 ,\"2\", 3,4,\"7\"",
        "a,b,label,c,d\n1,2,7,3,4\n"}) {
    CAPTURE(text);
    const Dataset data = parsed(text);
    CHECK(data.labels == std::vector<int32_t>{7});
    CHECK(data.pixels == std::vector<uint8_t>{1, 2, 3, 4});
  }
}

TEST_CASE("what is no such file is refused, with the line and the column") {
  CHECK(holds(refusal("label,a\n1,2\n3,x\n"),
              "x.csv, line 3, column 2: this is no pixel (wanted a whole number 0 to 255, got 'x')"));
  CHECK(holds(refusal("a,label\n1,256\n"), "line 2, column 2: this is no label"));
  for (const char* bad : {"1,-1", "1,256", "1,0.5", "1,", "1,+5", "1,1e2", "1,0x10", "-1,1", "1,99999999999"})
    CHECK_MESSAGE(holds(refusal(bad), "this is no"), bad);
  CHECK(holds(refusal("1,2,3\n"),
              "make no square (wanted a label and side x side pixels, such as 785 columns, got 3 columns)"));
  CHECK(holds(refusal("1\n"), "make no square"));
  CHECK(holds(refusal("1,2\n1,2,3\n"), "line 2: this line has another number of columns (wanted 2, got 3)"));
  CHECK(holds(refusal("1,2,3,4,5\n1,2\n"),
              "line 2: this line has another number of columns (wanted 5, got 2)"));
  CHECK(holds(refusal("a,b,c\n1,2,3\n"), "no column is called label"));
  CHECK(holds(refusal("label,label\n1,2\n"), "two columns are called label"));
  for (const char* none : {"", "\n\n", "label,a\n", "label,a"})
    CHECK(holds(refusal(none), "there are no images"));
  CHECK(holds(refusal("7;1;2;3;4\n"), "no column is called label"));
  Dataset data = parsed("1,2,3,4,5");
  const std::string other = "1,2";
  CHECK_THROWS_WITH_AS(parse_csv(std::as_bytes(std::span(other)), "y.csv", data),
                       "y.csv: training and test images differ in size (wanted (1, 2, 2), got (1, 1, 1))",
                       Error);
}

TEST_CASE("one file: every sixth image of a class is for the test, the others in a drawn order") {
  const testing::TemporaryFolder folder;
  std::string text = "label,a,b,c,d\n";
  for (int i = 0; i < 30; ++i) text += line(i / 15, i);
  write_file(folder / "mine.csv", text);
  const DatasetPair pair = load_dataset((folder / "mine.csv").string(), {});
  CHECK(pair.train.name == "mine");
  CHECK(pair.train.classes == std::vector<std::string>{"0", "1"});
  CHECK(pair.test.labels == std::vector<int32_t>{0, 0, 1, 1});
  CHECK(pair.test.at(0)[3] == 5);
  CHECK(pair.test.at(3)[0] == 26);
  REQUIRE(pair.train.size() == 26);
  std::map<int, int> seen;
  bool mixed = false;
  for (int64_t i = 0; i < 26; ++i) {
    const int v = pair.train.at(i)[0];
    CHECK(pair.train.labels[static_cast<size_t>(i)] == v / 15);
    mixed = mixed || (i > 0 && v < pair.train.at(i - 1)[0]);
    ++seen[v];
  }
  CHECK(seen.size() == 26);
  CHECK(mixed);
  CHECK(load_dataset((folder / "mine.csv").string(), {}).train.pixels == pair.train.pixels);
}

TEST_CASE("a folder with ...train.csv and ...test.csv; a test without labels, or with others, is refused") {
  const testing::TemporaryFolder folder;
  write_file(folder / "mnist_train.csv", line(3, 10) + line(1, 20));
  write_file(folder / "mnist_test.csv", line(2, 30));
  CHECK(is_csv(folder.path()));
  const DatasetPair pair = load_dataset(folder.path().string(), {});
  CHECK(pair.train.size() == 2);
  CHECK(pair.test.labels == std::vector<int32_t>{2});
  CHECK(pair.test.classes.size() == 4);
  CHECK(pair.train.name == folder.path().filename());
  write_file(folder / "mnist_test.csv", line(9, 30));
  CHECK_THROWS_WITH_AS(load_csv(folder.path()),
                       doctest::Contains("a label that no training image has (wanted 0 to 3, got 9)"), Error);
  write_file(folder / "mnist_test.csv", "pixel0,pixel1,pixel2,pixel3\n1,2,3,4\n");
  CHECK_THROWS_WITH_AS(load_csv(folder.path()), doctest::Contains("no column is called label"), Error);
  CHECK(!is_csv(folder / "nowhere.csv"));
  write_file(folder / "few.csv", line(1, 2));
  CHECK_THROWS_WITH_AS(load_csv(folder / "few.csv"), doctest::Contains("too few images"), Error);
}
