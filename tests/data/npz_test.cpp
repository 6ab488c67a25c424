#include "unfold/data/npz.h"

#include <doctest/doctest.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>

#include "tests/support/data_files.h"
#include "unfold/data/source.h"
#include "unfold/data/zip.h"
#include "unfold/error.h"
#include "unfold/files.h"
#include "unfold/formats/npy.h"

using namespace unfold;

namespace {

using Bytes = std::vector<std::byte>;

/// What a ZIP archive says of one file, so that a test can say something else.
struct Claim {
  uint32_t flags = 0, method = 0, crc = 0, packed = 0, size = 0, offset = 0;
};

void put(Bytes& to, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i, value >>= 8) to.push_back(static_cast<std::byte>(value));
}
Bytes deflated(const Bytes& bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes out(bytes.size() + 100);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// An archive of named files, written from the format's description; `lie` may change what is said of the
/// first.
Bytes zip(const std::vector<std::pair<std::string, Bytes>>& files, bool pack,
          const std::function<void(Claim&)>& lie = {}) {
  Bytes archive, directory;
  for (const auto& [name, content] : files) {
    const Bytes packed = pack ? deflated(content) : content;
    Claim c{0,
            pack ? 8U : 0U,
            crc32_of(content),
            static_cast<uint32_t>(packed.size()),
            static_cast<uint32_t>(content.size()),
            static_cast<uint32_t>(archive.size())};
    if (lie && directory.empty()) lie(c);
    put(archive, 0x04034b50, 4);
    put(archive, 0, 22);  // what the directory says, too
    put(archive, name.size(), 2), put(archive, 3, 2);
    for (const char letter : name + "xyz") archive.push_back(static_cast<std::byte>(letter));
    archive.insert(archive.end(), packed.begin(), packed.end());
    put(directory, 0x02014b50, 4), put(directory, 0, 4), put(directory, c.flags, 2),
        put(directory, c.method, 2);
    put(directory, 0, 4), put(directory, c.crc, 4), put(directory, c.packed, 4), put(directory, c.size, 4);
    put(directory, name.size(), 2), put(directory, 0, 2), put(directory, 2, 2), put(directory, 0, 8);
    put(directory, c.offset, 4);
    for (const char letter : name + "!?") directory.push_back(static_cast<std::byte>(letter));
  }
  const size_t start = archive.size();
  archive.insert(archive.end(), directory.begin(), directory.end());
  put(archive, 0x06054b50, 4), put(archive, 0, 4), put(archive, files.size(), 2),
      put(archive, files.size(), 2);
  put(archive, directory.size(), 4), put(archive, start, 4), put(archive, 7, 2);
  for (const char letter : std::string("comment")) archive.push_back(static_cast<std::byte>(letter));
  return archive;
}

template <class T>
Tensor tensor(const Shape& shape, Dtype dtype, const std::function<double(int64_t)>& value) {
  Tensor t(dtype, shape);
  auto* values = static_cast<T*>(t.raw());
  for (int64_t i = 0; i < shape.elements(); ++i) values[i] = static_cast<T>(value(i));
  return t;
}
Tensor bytes_of(const Shape& shape) {
  return tensor<uint8_t>(shape, Dtype::u8, [](int64_t i) { return static_cast<double>(i % 251); });
}
Tensor labels(int64_t n) {
  return tensor<uint8_t>({n}, Dtype::u8, [](int64_t i) { return static_cast<double>(i % 3); });
}

Bytes npz(const std::map<std::string, Tensor>& arrays, bool pack = false) {
  std::vector<std::pair<std::string, Bytes>> files;
  for (const auto& [name, array] : arrays) files.emplace_back(name + ".npy", serialize_npy(array));
  return zip(files, pack);
}

std::string refusal(const Bytes& bytes) {
  try {
    parse_npz(bytes, "x.npz");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::data);
    return e.what();
  }
  return "not refused";
}
bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Which image of bytes_of() an image is, by its first pixel.
std::vector<int> firsts(const Dataset& data) {
  std::vector<int> values;
  for (int64_t i = 0; i < data.size(); ++i) values.push_back(data.at(i)[0]);
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

TEST_CASE("Keras' names, stored and deflated; the file gives its name") {
  const std::map<std::string, Tensor> arrays{{"x_train", bytes_of({7, 2, 3})},
                                             {"y_train", labels(7)},
                                             {"x_test", bytes_of({2, 2, 3})},
                                             {"y_test", labels(2)}};
  for (const bool pack : {false, true}) {
    const testing::TemporaryFolder folder;
    write_file(folder / "mnist.npz", std::span<const std::byte>(npz(arrays, pack)));
    const DatasetPair pair = load_dataset((folder / "mnist.npz").string(), {});
    CHECK(pair.train.name == "mnist");
    CHECK(pair.train.image == Shape{1, 2, 3});
    CHECK(pair.train.classes == std::vector<std::string>{"0", "1", "2"});
    CHECK(firsts(pair.train) == std::vector<int>{0, 6, 12, 18, 24, 30, 36});
    for (int64_t i = 0; i < 7; ++i) {
      CHECK(pair.train.labels[static_cast<size_t>(i)] == pair.train.at(i)[0] / 6 % 3);
      CHECK(pair.train.at(i)[5] == pair.train.at(i)[0] + 5);
    }
    CHECK(pair.test.pixels == std::vector<uint8_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    CHECK(pair.test.labels == std::vector<int32_t>{0, 1});
  }
}

TEST_CASE("MedMNIST's names: images for validation come last; labels in a column") {
  std::map<std::string, Tensor> arrays;
  for (const char* part : {"train", "val", "test"}) {
    arrays[std::string(part) + "_images"] = bytes_of({4, 2, 2});
    arrays[std::string(part) + "_labels"] =
        tensor<int64_t>({4, 1}, Dtype::i64, [](int64_t i) { return static_cast<double>(i % 2); });
  }
  const DatasetPair pair = parse_npz(npz(arrays), "x.npz");
  CHECK(pair.train.size() == 8);
  CHECK(pair.train.validation == 4);
  for (int64_t i = 0; i < 4; ++i) CHECK(pair.train.at(4 + i)[0] == 4 * i);
  CHECK(pair.test.size() == 4);
  arrays.erase("test_images");
  CHECK(holds(refusal(npz(arrays)), "images for validation and none for the test"));
}

TEST_CASE("images of every kind and order of axes mean the same bytes") {
  const int64_t n = 6;  // the sixth is the test's
  const auto test_of = [&](const Tensor& images) {
    const DatasetPair pair = parse_npz(
        npz({{"images", images}, {"labels", tensor<uint8_t>({n}, Dtype::u8, [](int64_t) { return 0.0; })}}),
        "x");
    CHECK(pair.train.size() == 5);
    return pair.test;
  };
  CHECK(test_of(bytes_of({n, 4})).image == Shape{1, 2, 2});
  CHECK(test_of(bytes_of({n, 2, 5})).image == Shape{1, 2, 5});
  const Dataset first = test_of(bytes_of({n, 3, 2, 2})), last = test_of(bytes_of({n, 2, 2, 3}));
  CHECK(first.image == Shape{3, 2, 2});
  CHECK(last.image == Shape{3, 2, 2});
  CHECK(first.pixels == std::vector<uint8_t>{60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71});
  CHECK(last.pixels == std::vector<uint8_t>{60, 63, 66, 69, 61, 64, 67, 70, 62, 65, 68, 71});
  CHECK(test_of(bytes_of({n, 2, 2, 1})).image == Shape{1, 2, 2});
  const auto unit = [](int64_t i) { return static_cast<double>(i % 251) / 255; };
  const auto whole = [](int64_t i) { return static_cast<double>(i % 251); };
  const std::vector<uint8_t> wanted = test_of(bytes_of({n, 2, 2})).pixels;
  CHECK(test_of(tensor<float>({n, 2, 2}, Dtype::f32, unit)).pixels == wanted);
  CHECK(test_of(tensor<double>({n, 2, 2}, Dtype::f64, unit)).pixels == wanted);
  CHECK(test_of(tensor<int32_t>({n, 2, 2}, Dtype::i32, whole)).pixels == wanted);
  CHECK(test_of(tensor<int64_t>({n, 2, 2}, Dtype::i64, whole)).pixels == wanted);
  CHECK(test_of(tensor<uint8_t>({n, 2, 2}, Dtype::boolean, [](int64_t i) {
          return static_cast<double>(i % 2);
        })).pixels == std::vector<uint8_t>{0, 255, 0, 255});
}

TEST_CASE("arrays that are no images or labels are refused by name") {
  const auto pair = [](const Tensor& x, const Tensor& y) { return npz({{"x", x}, {"y", y}}); };
  const auto value = [](double v) { return [v](int64_t) { return v; }; };
  for (const Shape& shape : {Shape{6}, Shape{6, 3}, Shape{0, 2, 2}, Shape{6, 0, 3}, Shape{6, 2, 2, 5},
                             Shape{1, 1, 1, 1, 1}, Shape{1, 1, 5000}})
    CHECK_MESSAGE(holds(refusal(pair(bytes_of(shape), labels(6))), "x.npz, x: this is no array of images"),
                  shape.text());
  CHECK(holds(refusal(pair(tensor<float>({6, 4}, Dtype::f32, value(1.5)), labels(6))),
              "a pixel is out of range (wanted 0 to 1"));
  CHECK(holds(refusal(pair(tensor<float>({6, 4}, Dtype::f32, value(NAN)), labels(6))),
              "a pixel is out of range"));
  CHECK(holds(refusal(pair(tensor<int32_t>({6, 4}, Dtype::i32, value(-1)), labels(6))),
              "a pixel is out of range (wanted 0 to 255"));
  CHECK(holds(refusal(pair(bytes_of({6, 4}), labels(5))),
              "there is not one label for each image (wanted 6 labels"));
  CHECK(holds(refusal(pair(bytes_of({6, 4}), tensor<float>({6}, Dtype::f32, value(0)))),
              "this is no array of labels"));
  CHECK(holds(refusal(pair(bytes_of({6, 4}), bytes_of({3, 2}))), "this is no array of labels"));
  CHECK(holds(refusal(pair(bytes_of({6, 4}), tensor<int64_t>({6}, Dtype::i64, value(1 << 14)))),
              "a label is out of range (wanted 0 to 16383, got 16384)"));
  CHECK(holds(refusal(pair(bytes_of({6, 4}), tensor<int64_t>({6}, Dtype::i64, value(-1)))),
              "a label is out of range"));
  CHECK(holds(refusal(npz({{"x", bytes_of({6, 4})}})), "an array is not there (wanted y, got x.npy)"));
  CHECK(holds(refusal(npz({{"a\n", bytes_of({6, 4})}})), "no images that are known by name"));
  CHECK(holds(refusal(npz({{"x", bytes_of({2, 4})}, {"y", labels(2)}})), "too few images"));
  std::map<std::string, Tensor> keras{{"x_train", bytes_of({2, 2, 3})},
                                      {"y_train", labels(2)},
                                      {"x_test", bytes_of({2, 3, 2})},
                                      {"y_test", labels(2)}};
  CHECK(holds(refusal(npz(keras)), "images of two sizes (wanted (1, 2, 3), got (1, 3, 2))"));
  keras["x_test"] = bytes_of({3, 2, 3}), keras["y_test"] = labels(3);
  CHECK(holds(refusal(npz(keras)), "a label that no training image has (wanted 0 to 1)"));
}

TEST_CASE("an archive: every truncation and every false claim is refused, every file read as it is") {
  const Bytes content = serialize_npy(bytes_of({40, 5}));
  for (const bool pack : {false, true}) {
    const Bytes archive = zip({{"a.npy", content}, {"b", {}}}, pack);
    CHECK(is_zip(archive));
    const std::vector<ZipEntry> entries = zip_entries(archive, "x");
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].name == "a.npy");
    Bytes room;
    const auto read = unzip(entries[0], room, "x");
    CHECK(std::equal(read.begin(), read.end(), content.begin(), content.end()));
    CHECK(unzip(entries[1], room, "x").empty());
    for (size_t n = 0; n < archive.size(); ++n)
      CHECK_THROWS_AS(zip_entries(std::span(archive).first(n), "x"), Error);
    // Every byte of the packed data, changed: the checksum notices.
    Bytes damaged = archive;
    const auto first = static_cast<size_t>(entries[0].packed.data() - archive.data());
    for (size_t i = 0; i < entries[0].packed.size(); ++i) {
      damaged[first + i] ^= std::byte{0x10};
      CHECK_THROWS_AS(unzip(zip_entries(damaged, "x")[0], room, "x"), Error);
      damaged[first + i] ^= std::byte{0x10};
    }
  }
  const auto refused = [&](bool pack, const std::function<void(Claim&)>& lie) {
    Bytes room;
    try {
      const Bytes archive = zip({{"a.npy", content}}, pack, lie);
      for (const ZipEntry& entry : zip_entries(archive, "x")) unzip(entry, room, "x");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::data);
      return std::string(e.what());
    }
    return std::string("not refused");
  };
  for (const bool pack : {false, true}) {
    CHECK(refused(pack, {}) == "not refused");
    CHECK(holds(refused(pack, [](Claim& c) { c.flags = 1; }), "encrypted"));
    CHECK(holds(refused(pack, [](Claim& c) { c.method = 12; }), "packed in a way that is not read"));
    CHECK(holds(refused(pack, [](Claim& c) { c.crc ^= 1; }), "checksum of a.npy is wrong"));
    CHECK(holds(refused(pack, [](Claim& c) { c.offset = 1; }), "not where the directory says"));
    CHECK(holds(refused(pack, [](Claim& c) { c.offset = 0xfffffff0; }), "lies outside"));
    CHECK(holds(refused(pack, [](Claim& c) { c.packed = c.size = 100'000; }), "cut off"));
    CHECK(holds(refused(pack, [](Claim& c) { c.size = 0xffffffff; }), "claims more than its bytes can hold"));
  }
  CHECK(holds(refused(true, [](Claim& c) { ++c.size; }), "damaged"));
  CHECK(holds(refused(true, [](Claim& c) { --c.size; }), "damaged"));
  CHECK(holds(refused(true, [](Claim& c) { --c.packed; }), "damaged"));
  CHECK(holds(refused(true, [](Claim& c) { ++c.packed; }), "cut off"));
  CHECK(holds(refused(false, [](Claim& c) { ++c.size; }), "claims more"));
  CHECK_THROWS_WITH_AS(zip_entries(zip({{"a", content}, {"a", content}}, false), "x"),
                       doctest::Contains("two files have one name"), Error);
  std::vector<std::pair<std::string, Bytes>> many(257);
  for (size_t i = 0; i < many.size(); ++i) many[i].first = std::to_string(i);
  CHECK_THROWS_WITH_AS(zip_entries(zip(many, false), "x"), doctest::Contains("more than 256 files"), Error);
}
