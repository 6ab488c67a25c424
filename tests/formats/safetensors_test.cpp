#include "unfold/formats/safetensors.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "unfold/files.h"

using namespace unfold;
using namespace std::string_literals;

namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// A file with this header and as many bytes of data (0, 1, 0, 1, ...).
std::vector<std::byte> file_with(const std::string& header, size_t data) {
  std::vector<std::byte> bytes(8 + header.size() + data);
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  for (size_t i = 0; i < data; ++i) bytes[8 + header.size() + i] = std::byte(i % 2);
  return bytes;
}

/// The message of the refusal, or "" if the bytes were read. Every refusal must be of kind model with a hint.
std::string refusal(const std::vector<std::byte>& bytes) {
  try {
    parse_safetensors(bytes, "x");
    return "";
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::model);
    CHECK_FALSE(e.hint().empty());
    CHECK(std::string(e.what()).starts_with("x"));
    CHECK(std::string(e.what()).find('\n') == std::string::npos);
    return e.what();
  }
}

bool refused(const std::string& header, size_t data) {
  return !refusal(file_with(header, data)).empty();
}

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

bool same(const SafetensorsFile& a, const SafetensorsFile& b) {
  if (a.metadata != b.metadata || a.tensors.size() != b.tensors.size()) return false;
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    if (a.tensors[i].first != b.tensors[i].first || !same(a.tensors[i].second, b.tensors[i].second))
      return false;
  }
  return true;
}

template <class T>
Tensor counting(const Shape& shape, T start = 1) {
  Tensor tensor = Tensor::zeros<T>(shape);
  for (T& value : tensor.span<T>()) value = static_cast<T>(start++);
  return tensor;
}

SafetensorsFile example() {
  SafetensorsFile file;
  file.metadata = {{"unfold.names", "[\"zero\",\"one\"]"}, {"note", "grüß\n"}};
  file.tensors.emplace_back("b.weight", counting<float>({2, 3}));
  file.tensors.emplace_back("a.labels", counting<uint8_t>({3}));
  file.tensors.emplace_back("empty", Tensor(Dtype::f64, {0, 4}));
  file.tensors.emplace_back("a.steps", counting<int64_t>({}, -7));
  return file;
}

SafetensorsFile sealed(SafetensorsFile file) {
  seal(file);
  return file;
}

/// True if the bytes are refused, or mean what `file` means.
bool refused_or_same(const std::vector<std::byte>& bytes, const SafetensorsFile& file) {
  try {
    const SafetensorsFile read = parse_safetensors(bytes, "x");
    return check_seal(read, "x") == Seal::good && same(read, file);
  } catch (const Error& e) {
    return e.kind() == ErrorKind::model;
  }
}

}  // namespace

TEST_CASE("a file written by the format's own library is read with every value") {
  const SafetensorsFile file = read_safetensors(UNFOLD_FORMATS_DATA "/python.safetensors");
  CHECK(file.metadata ==
        std::map<std::string, std::string>{{"format", "np"}, {"note", "grüß \"quoted\" \\ \n"}});
  CHECK(file.tensors.size() == 9);
  const auto equals = [&]<class T>(const char* name, const Shape& shape, std::initializer_list<T> values) {
    const Tensor* tensor = file.find(name);
    REQUIRE(tensor != nullptr);
    CHECK(tensor->shape() == shape);
    const auto got = tensor->span<T>();
    CHECK(std::vector<T>(got.begin(), got.end()) == std::vector<T>(values));
  };
  equals("weight", {2, 3}, {-0.5f, -0.25f, 0.0f, 0.25f, 0.5f, 0.75f});
  equals("bias", {2}, {1.5, -2.25});
  equals("labels", {2}, {int64_t{-1}, int64_t{1} << 40});
  equals("steps", {2, 1}, {int32_t{7}, int32_t{-8}});
  equals("pixels", {3}, {uint8_t{0}, uint8_t{127}, uint8_t{255}});
  equals("mask", {3}, {true, false, true});
  equals("scalar", {}, {3.25f});
  CHECK(file.find("nothing")->shape() == Shape({0, 4}));
  CHECK(file.find("half")->dtype() == Dtype::f16);
  uint16_t half[2];
  std::memcpy(half, file.find("half")->raw(), 4);
  CHECK(half[0] == 0x3C00);
  CHECK(half[1] == 0xB800);
  CHECK(file.find("weigh") == nullptr);
  CHECK(check_seal(file, "x") == Seal::absent);
}

TEST_CASE("what is written is read again, and written the same byte for byte") {
  SafetensorsFile file = example();
  for (const Dtype dtype :
       {Dtype::f32, Dtype::f64, Dtype::i64, Dtype::i32, Dtype::u8, Dtype::boolean, Dtype::f16, Dtype::bf16}) {
    Tensor tensor(dtype, {1, 2, 3});
    auto* raw = static_cast<unsigned char*>(tensor.raw());
    for (size_t i = 0; i < tensor.bytes(); ++i) raw[i] = static_cast<unsigned char>(i % 2);
    file.tensors.emplace_back(std::string(dtype_name(dtype)), tensor);
  }
  const std::vector<std::byte> bytes = serialize_safetensors(file);
  const SafetensorsFile read = parse_safetensors(bytes, "x");
  CHECK(same(read, file));
  CHECK(serialize_safetensors(read) == bytes);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  CHECK(header % 8 == 0);
}

TEST_CASE("the bytes of a small file are these") {
  SafetensorsFile file;
  file.metadata = {{"b", "2"}, {"a", "1"}};
  file.tensors.emplace_back("y", counting<uint8_t>({2}));
  file.tensors.emplace_back("x", counting<uint8_t>({}, 9));
  std::string header =
      R"({"__metadata__":{"a":"1","b":"2"},"y":{"data_offsets":[0,2],"dtype":"U8","shape":[2]},)"
      R"("x":{"data_offsets":[2,3],"dtype":"U8","shape":[]}})";
  header.resize(144, ' ');
  CHECK(serialize_safetensors(file) == bytes_of("\x90\0\0\0\0\0\0\0"s + header + "\x01\x02\x09"));
  CHECK(serialize_safetensors({}) == bytes_of("\x08\0\0\0\0\0\0\0{}      "s));
  CHECK(parse_safetensors(serialize_safetensors({}), "x").tensors.empty());
}

TEST_CASE("a strided tensor is written in its own order of elements") {
  SafetensorsFile file;
  file.tensors.emplace_back("t", counting<float>({2, 3}).transposed(0, 1));
  const SafetensorsFile read = parse_safetensors(serialize_safetensors(file), "x");
  const auto values = read.find("t")->span<float>();
  CHECK(std::vector<float>(values.begin(), values.end()) == std::vector<float>{1, 4, 2, 5, 3, 6});
  CHECK(sealed(file).metadata == sealed(read).metadata);
}

TEST_CASE("names that cannot be written are refused") {
  SafetensorsFile file;
  file.tensors.emplace_back("a", counting<float>({2}));
  SUBCASE("twice the same") {
    file.tensors.emplace_back("a", counting<float>({2}));
  }
  SUBCASE("reserved") {
    file.tensors.emplace_back("__metadata__", counting<float>({2}));
  }
  SUBCASE("not UTF-8") {
    file.tensors.emplace_back("\xff", counting<float>({2}));
  }
  SUBCASE("metadata that is not UTF-8") {
    file.metadata["k"] = "\xc3";
  }
  CHECK_THROWS_AS(serialize_safetensors(file), Error);
}

TEST_CASE("a header that breaks a rule of the format is refused") {
  const std::string good = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  REQUIRE_FALSE(refused(good, 8));
  // Sizes.
  CHECK(refused(good, 7));
  CHECK(refused(good, 9));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})", 9));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8));
  // Products that wrap around 64 bits to the size of the data.
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]}})", 8));
  CHECK(refused(
      R"({"a":{"dtype":"F32","shape":[0,18446744073709551615,18446744073709551615],"data_offsets":[0,0]}})",
      0));
  CHECK(refused(R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[1,0]}})", 0));
  // Numbers that are no whole numbers of 64 bits.
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[99999999999999999999999],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", 8));
  // Overlaps and gaps.
  CHECK(refused(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
      6));
  CHECK(refused(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
      4));
  CHECK(refused(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}})",
      9));
  CHECK_FALSE(refused(
      R"({"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
      8));
  // Keys.
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[2]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":"x"}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}})", 8));
  CHECK(refused(
      R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]}})",
      8));
  CHECK(refused(
      R"({"__metadata__":{},"__metadata__":{},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"__metadata__":{"k":"1","k":"2"}})", 0));
  // Kinds.
  CHECK(refused(R"({"__metadata__":{"k":1}})", 0));
  CHECK(refused(R"({"__metadata__":{"k":null}})", 0));
  CHECK(refused(R"({"__metadata__":{"k":{}}})", 0));
  CHECK(refused(R"({"__metadata__":{"k":["1"]}})", 0));
  CHECK(refused(R"({"__metadata__":"k"})", 0));
  CHECK(refused(R"({"a":3})", 0));
  CHECK(refused(R"({"a":[]})", 0));
  CHECK(refused(R"({"a":{"dtype":["F32"],"shape":[2],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", 8));
  CHECK(refused(R"({"a":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}})", 8));
  // JSON itself.
  CHECK(refused("", 8));
  CHECK(refused("[]", 0));
  CHECK(refused(" {}", 0));
  CHECK(refused("{} x", 0));
  CHECK(refused("{}{}", 0));
  CHECK(refused("{}\0x"s, 0));
  CHECK(refused("\xef\xbb\xbf{}", 0));
  CHECK(refused("{\"__metadata__\":{\"k\":\"\xff\"}}", 0));
  CHECK(refused(R"({"__metadata__":{"k":"\ud800"}})", 0));
  CHECK(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},})", 8));
  CHECK(refused(R"({/**/"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8));
  CHECK(refused(std::string(5'000'000, '{'), 0));
  CHECK(refused("{\"a\":" + std::string(5'000'000, '['), 0));
}

TEST_CASE("a truth value other than 0 and 1 is refused") {
  std::vector<std::byte> bytes = file_with(R"({"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", 2);
  CHECK(refusal(bytes).empty());
  bytes.back() = std::byte{2};
  CHECK_FALSE(refusal(bytes).empty());
}

TEST_CASE("a refusal names the tensor, what was wanted and what was got, on one clean line") {
  CHECK(refusal(file_with(R"({"conv1\n\u001b[2J":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4)) ==
        R"(x, tensor "conv1\n\u001b[2J": shape and offsets disagree (wanted 8 bytes, got 4))");
  try {
    parse_safetensors(file_with(R"({"c":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1), "m");
    FAIL("not refused");
  } catch (const Error& e) {
    CHECK(
        std::string(e.what()) ==
        R"(m, tensor "c": unknown dtype (wanted F32, F64, I64, I32, U8, BOOL, F16 or BF16, got "F8_E4M3"))");
  }
  CHECK_THROWS_AS(read_safetensors("/nowhere/m.safetensors"), Error);
}

TEST_CASE("a header length that the file cannot hold is refused before anything is allocated") {
  for (const uint64_t length : {~uint64_t{0}, uint64_t{1} << 63, uint64_t{100'000'001}, uint64_t{9}}) {
    std::vector<std::byte> bytes = file_with("{}      ", 0);
    std::memcpy(bytes.data(), &length, 8);
    CHECK_FALSE(refusal(bytes).empty());
  }
  // More than 100 MB of header, all there, are too many.
  CHECK_FALSE(refusal(file_with("{}" + std::string(100'000'000, ' '), 0)).empty());
}

TEST_CASE("a seal is good, absent or broken") {
  const SafetensorsFile file = sealed(example());
  CHECK(check_seal(file, "x") == Seal::good);
  CHECK(check_seal(sealed(file), "x") == Seal::good);  // sealing again changes nothing
  CHECK(sealed(file).metadata == file.metadata);
  CHECK(file.metadata.at("unfold.checksum").size() == 14);
  CHECK(check_seal(parse_safetensors(serialize_safetensors(file), "x"), "x") == Seal::good);

  const auto broken = [&](auto change) {
    SafetensorsFile other = parse_safetensors(serialize_safetensors(file), "x");
    change(other);
    try {
      check_seal(other, "m.safetensors");
      return false;
    } catch (const Error& e) {
      return e.kind() == ErrorKind::model && std::string(e.what()).starts_with("m.safetensors: ") &&
             !e.hint().empty();
    }
  };
  CHECK_FALSE(broken([](SafetensorsFile&) {}));
  CHECK(broken([](SafetensorsFile& f) { f.metadata["note"] += "x"; }));
  CHECK(broken([](SafetensorsFile& f) { f.metadata["more"] = ""; }));
  CHECK(broken([](SafetensorsFile& f) { f.metadata.erase("note"); }));
  CHECK(broken([](SafetensorsFile& f) { f.metadata.erase("unfold.checksum"); }));
  CHECK(broken([](SafetensorsFile& f) { f.metadata["unfold.checksum"] = "none"; }));
  CHECK(broken([](SafetensorsFile& f) { f.tensors[0].first = "c.weight"; }));
  CHECK(broken([](SafetensorsFile& f) { f.tensors[0].second = f.tensors[0].second.reshaped({3, 2}); }));
  CHECK(broken([](SafetensorsFile& f) { f.tensors[0].second.data<float>()[5] = -6; }));
  CHECK(broken([](SafetensorsFile& f) { std::swap(f.tensors[0], f.tensors[1]); }));
  CHECK(broken([](SafetensorsFile& f) { f.tensors.pop_back(); }));
}

TEST_CASE("every flip of a byte of a small sealed file is refused or changes nothing") {
  SafetensorsFile only;  // the checksum is the one metadata key: nothing else marks the file as ours
  only.tensors.emplace_back("w", counting<float>({2, 2}));
  for (const SafetensorsFile& file : {sealed(example()), sealed(only)}) {
    const std::vector<std::byte> bytes = serialize_safetensors(file);
    REQUIRE(refused_or_same(bytes, file));
    for (size_t at = 0; at < bytes.size(); ++at) {
      for (const int flip : {0x01, 0x20, 0x80, 0xff}) {
        std::vector<std::byte> bad = bytes;
        bad[at] ^= std::byte(flip);
        const bool held = refused_or_same(bad, file);
        if (!held) INFO("byte ", at, " flipped with ", flip);
        CHECK(held);
      }
    }
  }
}

TEST_CASE("every truncation and every appended byte of a small sealed file is refused") {
  const std::vector<std::byte> bytes = serialize_safetensors(sealed(example()));
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(refusal({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}).empty());
  }
  for (const int value : {0x00, 0x20, 0xff}) {
    for (const size_t count : {size_t{1}, size_t{8}, bytes.size()}) {
      std::vector<std::byte> longer = bytes;
      longer.insert(longer.end(), count, std::byte(value));
      CHECK_FALSE(refusal(longer).empty());
    }
  }
}

TEST_CASE("2,000 random byte flips of a larger sealed file are refused or change nothing") {
  SafetensorsFile file = example();
  uint32_t state = 1;  // an LCG: the same flips everywhere
  const auto random = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
  for (int layer = 0; layer < 20; ++layer) {
    Tensor tensor = Tensor::zeros<float>({16, 25});
    for (float& value : tensor.span<float>()) value = static_cast<float>(random()) * 0x1p-24f;
    file.tensors.emplace_back("layer" + std::to_string(layer) + ".weight", tensor);
  }
  seal(file);
  const std::vector<std::byte> bytes = serialize_safetensors(file);
  int in_header = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    // A quarter of the flips goes into the header, which is a small part of the file.
    const size_t at = random() % (trial % 4 == 0 ? 1500 : bytes.size());
    in_header += at < 1500;
    std::vector<std::byte> bad = bytes;
    bad[at] ^= std::byte(1 + random() % 255);
    CHECK(refused_or_same(bad, file));
  }
  CHECK(in_header >= 500);
}

TEST_CASE("a file goes to disk and back") {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("unfold-safetensors-" + std::to_string(::getpid()));
  const SafetensorsFile file = sealed(example());
  write_safetensors(path, file);
  CHECK(same(read_safetensors(path), file));
  std::filesystem::remove(path);
}
