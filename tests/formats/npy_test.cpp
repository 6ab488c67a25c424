#include "unfold/formats/npy.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "unfold/files.h"

using namespace unfold;
using namespace std::string_literals;

namespace {

std::string data(const std::string& name) {
  return UNFOLD_FORMATS_DATA "/" + name;
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  const auto all = tensor.span<T>();
  return {all.begin(), all.end()};
}

/// A version 1 file with this dictionary and this many bytes of data, all zero.
std::vector<std::byte> file_with(const std::string& dictionary, size_t size) {
  std::string text = "\x93NUMPY\x01\x00"s;
  text += static_cast<char>(dictionary.size() & 255);
  text += static_cast<char>(dictionary.size() >> 8);
  text += dictionary + std::string(size, '\0');
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

bool refused(const std::vector<std::byte>& bytes) {
  try {
    parse_npy(bytes, "x.npy");
    return false;
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::data);
    CHECK(std::string(e.what()).starts_with("x.npy: "));
    CHECK_FALSE(e.hint().empty());
    return true;
  }
}

bool refused(const std::string& dictionary, size_t size) {
  return refused(file_with(dictionary, size));
}

}  // namespace

TEST_CASE("arrays saved by NumPy are read with every value") {
  const Tensor c = read_npy(data("c_order_f4.npy"));
  CHECK(c.shape() == Shape({2, 3}));
  CHECK(values<float>(c) == std::vector<float>{-0.5f, -0.25f, 0, 0.25f, 0.5f, 0.75f});

  const Tensor mask = read_npy(data("bool_1d.npy"));
  CHECK(mask.shape() == Shape({3}));
  CHECK(values<bool>(mask) == std::vector<bool>{true, false, true});

  const Tensor scalar = read_npy(data("scalar_i8.npy"));
  CHECK(scalar.shape() == Shape({}));
  CHECK(values<int64_t>(scalar) == std::vector<int64_t>{-5});

  const Tensor version2 = read_npy(data("version2_i4.npy"));
  CHECK(version2.shape() == Shape({2, 2}));
  CHECK(values<int32_t>(version2) == std::vector<int32_t>{1, -2, 3, -4});
}

TEST_CASE("an array in Fortran order comes out in C order") {
  const Tensor t = read_npy(data("fortran_f8.npy"));
  CHECK(t.shape() == Shape({2, 3, 4}));
  CHECK(t.contiguous());
  for (int64_t i = 0; i < 24; ++i) CHECK(t.span<double>()[static_cast<size_t>(i)] == static_cast<double>(i));
}

TEST_CASE("what is written has the bytes that NumPy writes") {
  for (const char* name : {"c_order_f4.npy", "bool_1d.npy", "scalar_i8.npy"}) {
    CHECK(serialize_npy(read_npy(data(name))) == read_file(data(name), ErrorKind::data));
  }
}

TEST_CASE("what is written is read again") {
  for (const Dtype dtype :
       {Dtype::f32, Dtype::f64, Dtype::f16, Dtype::i64, Dtype::i32, Dtype::u8, Dtype::boolean}) {
    for (const Shape& shape :
         {Shape({}), Shape({5}), Shape({2, 3}), Shape({0, 3}), Shape({1, 2, 1, 2, 1, 2, 1, 2})}) {
      Tensor tensor(dtype, shape);
      auto* raw = static_cast<unsigned char*>(tensor.raw());
      for (size_t i = 0; i < tensor.bytes(); ++i) raw[i] = static_cast<unsigned char>(i % 2);
      const std::vector<std::byte> bytes = serialize_npy(tensor);
      CHECK((bytes.size() - tensor.bytes()) % 64 == 0);
      const Tensor read = parse_npy(bytes, "x.npy");
      CHECK(read.dtype() == dtype);
      CHECK(read.shape() == shape);
      CHECK((tensor.bytes() == 0 || std::memcmp(read.raw(), tensor.raw(), tensor.bytes()) == 0));
    }
  }
  const std::vector<float> six{1, 2, 3, 4, 5, 6};
  const Tensor strided = Tensor::from<float>({2, 3}, six).transposed(0, 1);
  CHECK(values<float>(parse_npy(serialize_npy(strided), "x.npy")) == std::vector<float>{1, 4, 2, 5, 3, 6});
  CHECK_THROWS_AS(serialize_npy(Tensor(Dtype::bf16, {2})), Error);
}

TEST_CASE("an array goes to disk and back") {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("unfold-npy-" + std::to_string(::getpid()));
  const std::vector<double> two{1.5, -2.5};
  write_npy(path, Tensor::from<double>({2}, two));
  CHECK(values<double>(read_npy(path)) == two);
  std::filesystem::remove(path);
  CHECK_THROWS_AS(read_npy(path), Error);
}

TEST_CASE("a file that is no array, or not the one it claims to be, is refused") {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  REQUIRE_FALSE(refused(good, 8));
  REQUIRE_FALSE(refused("{\"shape\":(2),\"descr\":\"<f4\",\"fortran_order\":True}\n", 8));
  CHECK(refused(good, 7));
  CHECK(refused(good, 9));
  CHECK(refused("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8));
  CHECK(refused("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", 8));
  CHECK(refused("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8));
  CHECK(refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8));
  CHECK(refused("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", 8));
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 8));
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2.,), }", 8));
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (,), }", 4));
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, 'shape': 2, }", 8));
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2), }", 8));
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, }", 4));
  CHECK(refused("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 8));
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", 8));
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", 8));
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", 8));
  CHECK(refused("{'descr", 8));
  CHECK(refused("", 0));
  // Products that wrap around 64 bits.
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 0));
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387906,), }", 8));
  CHECK(refused("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,), }", 8));
  CHECK(refused(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 36028797018963968, 36028797018963968), }", 0));

  std::vector<std::byte> truth = file_with("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", 1);
  CHECK_FALSE(refused(truth));
  truth.back() = std::byte{2};
  CHECK(refused(truth));
}

TEST_CASE("every truncation and every flip of a bit of the header is survived") {
  for (const char* name : {"c_order_f4.npy", "version2_i4.npy"}) {
    const std::vector<std::byte> bytes = read_file(data(name), ErrorKind::data);
    for (size_t size = 0; size < bytes.size(); ++size) {
      CHECK(refused({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}));
    }
    int accepted = 0;
    for (size_t at = 0; at < 128; ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        std::vector<std::byte> bad = bytes;
        bad[at] ^= std::byte(1 << bit);
        accepted += !refused(bad);
      }
    }
    CHECK(accepted < 40);  // such as '<f4' into '<i4', (2, 3) into (3, 2)... : .npy has no checksum
  }
}
