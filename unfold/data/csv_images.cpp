#include "unfold/data/csv_images.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "unfold/data/split.h"
#include "unfold/error.h"
#include "unfold/files.h"
#include "unfold/text.h"

namespace unfold {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostBytes = uint64_t{1} << 32;
constexpr int64_t kMaxSide = 4096;
constexpr std::string_view kHint =
    "a line is a label and the pixels of a square image, 0 to 255, with commas";

/// Takes the first line off the text, without its end.
std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// Takes the first field off a line, without spaces and quotes around it.
std::string_view take_field(std::string_view& line) {
  const size_t comma = std::min(line.find(','), line.size());
  std::string_view field = line.substr(0, comma);
  line.remove_prefix(std::min(comma + 1, line.size()));
  while (field.starts_with(' ')) field.remove_prefix(1);
  while (field.ends_with(' ')) field.remove_suffix(1);
  if (field.size() >= 2 && field.front() == '"' && field.back() == '"')
    field = field.substr(1, field.size() - 2);
  return field;
}

bool is_label(std::string_view heading) {
  constexpr std::string_view kLabel = "label";
  return std::equal(heading.begin(), heading.end(), kLabel.begin(), kLabel.end(),
                    [](char a, char b) { return (a | 0x20) == b; });
}

/// Which file of a folder ends in `end`; none, or the first by name.
fs::path file_ending(const fs::path& folder, std::string_view end) {
  fs::path found;
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(end) && entry.is_regular_file(code) && (found.empty() || entry.path() < found))
      found = entry.path();
  }
  return found;
}

/// Reads the lines of a file, the first to learn what they hold.
class Reader {
 public:
  Reader(std::string_view text, std::string_view where, Dataset& to) : text_(text), where_(where), to_(to) {}

  void read() {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);  // a byte order mark
    std::string_view line;
    while (line.empty() && !text_.empty()) line = next();
    if (line.empty())
      throw Error(ErrorKind::data, "there are no images in this file").where(where_).hint(kHint);
    if (headings(line)) {
      line = text_.empty() ? std::string_view() : next();
    }
    set_image();
    for (bool more = true; more; more = !text_.empty(), line = more ? next() : line) {
      if (!line.empty()) read_image(line);
    }
    if (to_.labels.empty())
      throw Error(ErrorKind::data, "there are no images in this file").where(where_).hint(kHint);
  }

 private:
  std::string_view next() {
    ++line_;
    return take_line(text_);
  }

  /// Learns from the first line how many columns there are and which is the label; whether it is one of
  /// headings.
  bool headings(std::string_view line) {
    columns_ = 1 + std::count(line.begin(), line.end(), ',');
    std::string_view rest = line;
    int value = 0;
    const std::string_view first = take_field(rest);
    const auto result = std::from_chars(first.data(), first.data() + first.size(), value);
    if (result.ec == std::errc() && result.ptr == first.data() + first.size()) return false;
    label_ = -1;
    for (int64_t column = 0; column < columns_; ++column) {
      if (!is_label(take_field(line))) continue;
      if (label_ >= 0) throw Error(ErrorKind::data, "two columns are called label").where(where_).hint(kHint);
      label_ = column;
    }
    if (label_ < 0) {
      throw Error(ErrorKind::data, "no column is called label")
          .where(where_)
          .got(printable(first) + " ... in the first line")
          .hint("images without labels can be neither learned from nor tested with; " + std::string(kHint));
    }
    return true;
  }

  void set_image() {
    const int64_t pixels = columns_ - 1;
    const auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(pixels)) + 0.5);
    if (side < 1 || side > kMaxSide || side * side != pixels) {
      throw Error(ErrorKind::data, "the pixels of a line make no square")
          .where(where_)
          .wanted("a label and side x side pixels, such as 785 columns")
          .got(std::to_string(columns_) + " columns")
          .hint(kHint);
    }
    const Shape image{1, side, side};
    if (to_.image.rank() != 0 && to_.image != image) {
      throw Error(ErrorKind::data, "training and test images differ in size")
          .where(where_)
          .wanted(to_.image.text())
          .got(image.text());
    }
    to_.image = image;
  }

  void read_image(std::string_view line) {
    const char *at = line.data(), *const end = at + line.size();
    for (int64_t column = 0; column < columns_; ++column) {
      const char* stop = std::find(at, end, ',');
      const bool last = column + 1 == columns_;
      if ((stop == end) != last) {
        throw Error(ErrorKind::data, "this line has another number of columns")
            .where(where())
            .wanted(std::to_string(columns_))
            .got(std::to_string(1 + std::count(line.begin(), line.end(), ',')))
            .hint("every line has as many as the first: is the file cut off?");
      }
      const uint8_t value = number(std::string_view(at, static_cast<size_t>(stop - at)), column);
      if (column == label_) {
        to_.labels.push_back(value);
      } else {
        to_.pixels.push_back(value);
      }
      at = last ? end : stop + 1;
    }
  }

  uint8_t number(std::string_view field, int64_t column) const {
    const std::string_view text = take_field(field);
    int value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc() || result.ptr != text.data() + text.size() || value < 0 || value > 255) {
      throw Error(ErrorKind::data, column == label_ ? "this is no label" : "this is no pixel")
          .where(where() + ", column " + std::to_string(column + 1))
          .wanted("a whole number 0 to 255")
          .got(printable(text))
          .hint(kHint);
    }
    return static_cast<uint8_t>(value);
  }

  std::string where() const { return std::string(where_) + ", line " + std::to_string(line_); }

  std::string_view text_, where_;
  Dataset& to_;
  int64_t line_ = 0, columns_ = 0, label_ = 0;
};

}  // namespace

bool is_csv(const fs::path& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) return !file_ending(path, "train.csv").empty();
  return path.extension() == ".csv" && fs::is_regular_file(path, code);
}

void parse_csv(std::span<const std::byte> bytes, std::string_view where, Dataset& to) {
  Reader({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, where, to).read();
}

DatasetPair load_csv(const fs::path& path) {
  const bool folder = fs::is_directory(path);
  const fs::path train = folder ? file_ending(path, "train.csv") : path;
  const fs::path test = folder ? file_ending(path, "test.csv") : fs::path();
  DatasetPair pair;
  const auto read = [](const fs::path& file, Dataset& to) {
    parse_csv(read_file(file, ErrorKind::data, kMostBytes), file.string(), to);
  };
  read(train, pair.train);
  pair.train.name = folder ? fs::absolute(path / "").lexically_normal().parent_path().filename().string()
                           : path.stem().string();
  if (!test.empty()) {
    pair.test.name = pair.train.name;
    pair.test.image = pair.train.image;
    read(test, pair.test);
    pair.train.classes = numbered_classes(pair.train, train.string());
    pair.test.classes = numbered_classes(pair.test, test.string());
    if (pair.test.classes.size() > pair.train.classes.size()) {
      throw Error(ErrorKind::data, "a label that no training image has")
          .where(test.string())
          .wanted("0 to " + pair.train.classes.back())
          .got(pair.test.classes.back());
    }
    pair.test.classes = pair.train.classes;
  } else {
    pair.train.classes = numbered_classes(pair.train, train.string());
    pair.test = take_test_images(pair.train);
  }
  shuffle_images(pair.train);
  return pair;
}

}  // namespace unfold
