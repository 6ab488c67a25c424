#include "unfold/data/npz.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "unfold/data/split.h"
#include "unfold/data/zip.h"
#include "unfold/error.h"
#include "unfold/files.h"
#include "unfold/formats/npy.h"

namespace unfold {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 32;
constexpr int64_t kMaxSide = 4096;

/// The names of the arrays of a part, as the field gives them.
struct Names {
  std::string_view images, labels;
};
constexpr Names kTrain[] = {
    {"x_train", "y_train"}, {"train_images", "train_labels"}, {"x", "y"}, {"X", "y"}, {"images", "labels"},
    {"data", "labels"}};
constexpr Names kTest[] = {{"x_test", "y_test"}, {"test_images", "test_labels"}};
constexpr Names kValidation[] = {{"x_val", "y_val"}, {"val_images", "val_labels"}};

/// Calls take(v) for each element of an array, as a double.
template <class Take>
void each_value(const Tensor& array, Take take) {
  const auto walk = [&]<class T>(std::span<const T> values) {
    for (const T v : values) take(static_cast<double>(v));
  };
  switch (array.dtype()) {
    case Dtype::f32:
      return walk(array.span<float>());
    case Dtype::f64:
      return walk(array.span<double>());
    case Dtype::i32:
      return walk(array.span<int32_t>());
    case Dtype::i64:
      return walk(array.span<int64_t>());
    default:
      break;
  }
  const auto* bytes = static_cast<const uint8_t*>(array.raw());  // u8 and truth values
  for (int64_t i = 0; i < array.shape().elements(); ++i) take(static_cast<double>(bytes[i]));
}

class Archive {
 public:
  Archive(std::span<const std::byte> bytes, std::string_view where)
      : where_(where), entries_(zip_entries(bytes, where)) {}

  /// The first of `names` whose images are there, or nothing.
  const Names* find(std::span<const Names> names) const {
    const auto found =
        std::find_if(names.begin(), names.end(), [&](const Names& n) { return entry(n.images); });
    return found == names.end() ? nullptr : &*found;
  }

  /// Appends the images and labels of these arrays.
  void read(const Names& names, Dataset& to) const {
    const auto before = to.size();
    const int64_t images = read_images(names.images, to);
    read_labels(names.labels, to);
    if (to.size() - before != images) {
      throw Error(ErrorKind::data, "there is not one label for each image")
          .where(place(names.labels))
          .wanted(std::to_string(images) + " labels, as there are images")
          .got(std::to_string(to.size() - before));
    }
  }

  std::string arrays() const {
    std::string text;
    for (const ZipEntry& e : entries_) text += (text.empty() ? "" : ", ") + e.name.substr(0, 40);
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; },
        '?');
    return text.substr(0, 400);
  }

 private:
  const ZipEntry* entry(std::string_view name) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const ZipEntry& e) { return e.name == std::string(name) + ".npy"; });
    return found == entries_.end() ? nullptr : &*found;
  }
  std::string place(std::string_view name) const { return std::string(where_) + ", " + std::string(name); }

  Tensor array(std::string_view name) const {
    const ZipEntry* const e = entry(name);
    if (!e) {
      throw Error(ErrorKind::data, "an array is not there").where(where_).wanted(name).got(arrays());
    }
    std::vector<std::byte> room;
    return parse_npy(unzip(*e, room, where_), place(name));
  }

  int64_t read_images(std::string_view name, Dataset& to) const {
    const Tensor images = array(name);
    const Shape& s = images.shape();
    const auto three = [](int64_t c) { return c == 1 || c == 3; };
    Shape image;
    bool last = false;  // channels come last
    if (s.rank() == 2) {
      const auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(s[1])) + 0.5);
      if (side * side == s[1]) image = {1, side, side};
    } else if (s.rank() == 3) {
      image = {1, s[1], s[2]};
    } else if (s.rank() == 4 && three(s[3])) {
      image = {s[3], s[1], s[2]};
      last = true;
    } else if (s.rank() == 4 && three(s[1])) {
      image = {s[1], s[2], s[3]};
    }
    if (image.rank() != 3 || s[0] < 1 || image[1] < 1 || image[2] < 1 || image[1] > kMaxSide ||
        image[2] > kMaxSide) {
      throw Error(ErrorKind::data, "this is no array of images")
          .where(place(name))
          .wanted("(N, H, W), (N, H, W, C) or (N, C, H, W) with C of 1 or 3")
          .got(s.text());
    }
    if (to.image.rank() != 0 && to.image != image) {
      throw Error(ErrorKind::data, "images of two sizes")
          .where(place(name))
          .wanted(to.image.text())
          .got(image.text());
    }
    to.image = image;
    append_pixels(images, last, name, to);
    return s[0];
  }

  void append_pixels(const Tensor& images, bool last, std::string_view name, Dataset& to) const {
    const bool real = images.dtype() == Dtype::f32 || images.dtype() == Dtype::f64;
    const double white = real || images.dtype() == Dtype::boolean ? 1 : 255;
    const auto first = to.pixels.size(), plane = static_cast<size_t>(to.image[1] * to.image[2]);
    const auto channels = static_cast<size_t>(to.image[0]);
    to.pixels.resize(first + static_cast<size_t>(images.shape().elements()));
    size_t at = 0;
    each_value(images, [&](double v) {
      if (!(v >= 0 && v <= white)) {
        throw Error(ErrorKind::data, "a pixel is out of range")
            .where(place(name) + ", element " + std::to_string(at))
            .wanted(real ? "0 to 1" : "0 to 255")
            .got(std::to_string(v))
            .hint("save the images as bytes: x.astype('uint8')");
      }
      const size_t image = at / (plane * channels), in = at % (plane * channels);
      const size_t to_at = last ? in % channels * plane + in / channels : in;
      to.pixels[first + image * plane * channels + to_at] = static_cast<uint8_t>(v * (255 / white) + 0.5);
      ++at;
    });
  }

  void read_labels(std::string_view name, Dataset& to) const {
    const Tensor labels = array(name);
    const Shape& s = labels.shape();
    const bool whole = labels.dtype() != Dtype::f32 && labels.dtype() != Dtype::f64;
    if (!whole || !(s.rank() == 1 || (s.rank() == 2 && s[1] == 1))) {
      throw Error(ErrorKind::data, "this is no array of labels")
          .where(place(name))
          .wanted("whole numbers, (N) or (N, 1)")
          .got(std::string(dtype_name(labels.dtype())) + " " + s.text());
    }
    each_value(labels, [&](double v) {
      if (!(v >= 0 && v < kMaxClasses)) {
        throw Error(ErrorKind::data, "a label is out of range")
            .where(place(name))
            .wanted("0 to " + std::to_string(kMaxClasses - 1))
            .got(std::to_string(static_cast<int64_t>(std::clamp(v, -0x1p62, 0x1p62))));
      }
      to.labels.push_back(static_cast<int32_t>(v));
    });
  }

  std::string_view where_;
  std::vector<ZipEntry> entries_;
};

}  // namespace

DatasetPair parse_npz(std::span<const std::byte> bytes, std::string_view where) {
  const Archive archive(bytes, where);
  const Names* const train = archive.find(kTrain);
  if (!train) {
    throw Error(ErrorKind::data, "there are no images that are known by name")
        .where(where)
        .wanted("x_train and y_train; train_images and train_labels; x and y; images and labels")
        .got(archive.arrays());
  }
  DatasetPair pair;
  archive.read(*train, pair.train);
  if (const Names* const validation = archive.find(kValidation)) {
    const int64_t before = pair.train.size();
    archive.read(*validation, pair.train);
    pair.train.validation = pair.train.size() - before;
  }
  pair.train.classes = numbered_classes(pair.train, where);
  pair.train.name = where;
  if (const Names* const test = archive.find(kTest)) {
    pair.test.image = pair.train.image;
    archive.read(*test, pair.test);
    if (numbered_classes(pair.test, where).size() > pair.train.classes.size()) {
      throw Error(ErrorKind::data, "a label that no training image has")
          .where(std::string(where) + ", " + std::string(test->labels))
          .wanted("0 to " + pair.train.classes.back());
    }
    pair.test.classes = pair.train.classes;
  } else if (pair.train.validation > 0) {
    throw Error(ErrorKind::data, "there are images for validation and none for the test").where(where);
  } else {
    pair.test = take_test_images(pair.train);
  }
  shuffle_images(pair.train);
  return pair;
}

DatasetPair load_npz(const std::filesystem::path& path) {
  DatasetPair pair = parse_npz(read_file(path, ErrorKind::data, kMostBytes), path.string());
  pair.train.name = pair.test.name = path.stem().string();
  return pair;
}

}  // namespace unfold
