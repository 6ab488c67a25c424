#include "unfold/train/tensorboard.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include "tests/support/data_files.h"
#include "unfold/error.h"

using namespace unfold;
using unfold::testing::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

// A reader written from the format's definition; it shares no line with the writer.

uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// By polynomial division, most significant bit first, of the reflected message.
uint32_t castagnoli(std::string_view bytes) {
  uint32_t rest = 0xFFFFFFFF;
  for (const char byte : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const bool in = static_cast<unsigned char>(byte) >> bit & 1, out = rest >> 31;
      rest = rest << 1 ^ (in != out ? 0x1EDC6F41u : 0);
    }
  }
  uint32_t reflected = 0;
  for (int bit = 0; bit < 32; ++bit) reflected |= (rest >> bit & 1) << (31 - bit);
  return ~reflected;
}

uint32_t unmasked(uint32_t masked) {
  const uint32_t turned = masked - 0xA282EAD8u;
  return turned >> 17 | turned << 15;
}

std::vector<std::string> records_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> records;
  for (std::string_view rest = bytes; !rest.empty();) {
    REQUIRE(rest.size() >= 16);
    const uint64_t length = little_endian(rest.substr(0, 8));
    REQUIRE(length <= rest.size() - 16);
    CHECK(castagnoli(rest.substr(0, 8)) == unmasked(static_cast<uint32_t>(little_endian(rest.substr(8, 4)))));
    records.emplace_back(rest.substr(12, length));
    CHECK(castagnoli(records.back()) ==
          unmasked(static_cast<uint32_t>(little_endian(rest.substr(12 + length, 4)))));
    rest.remove_prefix(16 + length);
  }
  return records;
}

/// The fields of a message by number: numbers of wire types 0, 1 and 5 as their bits, others as bytes.
struct Field {
  uint64_t number = 0;
  std::string bytes;
};
std::multimap<uint64_t, Field> fields_of(std::string_view message) {
  std::multimap<uint64_t, Field> fields;
  const auto varint = [&message] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      REQUIRE(!message.empty());
      const auto byte = static_cast<unsigned char>(message[0]);
      message.remove_prefix(1);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
  };
  while (!message.empty()) {
    const uint64_t key = varint();
    Field field;
    const uint64_t type = key & 7;
    REQUIRE((type == 0 || type == 1 || type == 2 || type == 5));
    if (type == 0) {
      field.number = varint();
    } else {
      const uint64_t length = type == 1 ? 8 : type == 5 ? 4 : varint();
      REQUIRE(length <= message.size());
      field.bytes = message.substr(0, length);
      field.number = type == 2 ? 0 : little_endian(field.bytes);
      message.remove_prefix(length);
    }
    fields.emplace(key >> 3, field);
  }
  return fields;
}

template <class T>
T number_of(const Field& field) {
  T value;
  std::memcpy(&value, field.bytes.data(), sizeof value);
  return value;
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::set<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.insert(entry.path());
  return {files.begin(), files.end()};
}

}  // namespace

TEST_CASE("CRC-32C gives the values of RFC 3720, appendix B.4") {
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xE3069283);
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  CHECK(crc32c(rising) == 0x46DD794E);
  CHECK(castagnoli(rising) == 0x46DD794E);  // the reader's own, too
}

TEST_CASE("an event file holds what was written, in records whose checksums are right") {
  const TemporaryFolder folder;
  const fs::path runs = folder / "run/tensorboard";
  const EventFile file(runs);
  file.write(1, std::vector<Scalar>{{"loss/train", 0.75}, {"loss/validation", std::nan("")}, {"lr", 1e-3}});
  file.write(300, std::vector<Scalar>{{"accuracy/validation", 0.5}});
  const std::vector<fs::path> files = files_in(runs);
  REQUIRE(files.size() == 1);
  CHECK(files[0].filename().string().starts_with("events.out.tfevents."));
  const std::vector<std::string> records = records_of(files[0]);
  REQUIRE(records.size() == 3);
  const auto first = fields_of(records[0]);
  CHECK(first.find(3)->second.bytes == "brain.Event:2");
  const auto one = fields_of(records[1]);
  CHECK(one.find(2)->second.number == 1);
  CHECK(number_of<double>(one.find(1)->second) > 1.7e9);  // seconds since 1970
  std::map<std::string, float> values;
  const auto summary = fields_of(one.find(5)->second.bytes);
  for (const auto& [number, value] : summary) {
    CHECK(number == 1);
    const auto parts = fields_of(value.bytes);
    values[parts.find(1)->second.bytes] = number_of<float>(parts.find(2)->second);
  }
  CHECK(values == std::map<std::string, float>{{"loss/train", 0.75f}, {"lr", 1e-3f}});
  CHECK(fields_of(records[2]).find(2)->second.number == 300);
}

TEST_CASE("a run that goes on writes a later file that takes back later steps") {
  const TemporaryFolder folder;
  const EventFile first(folder.path());
  first.write(1, std::vector<Scalar>{{"lr", 1}});
  first.write(2, std::vector<Scalar>{{"lr", 2}});
  const EventFile second(folder.path(), 1);
  second.write(2, std::vector<Scalar>{{"lr", 3}});
  const std::vector<fs::path> files = files_in(folder.path());
  REQUIRE(files.size() == 2);
  CHECK(records_of(files[0]).size() == 3);
  const std::vector<std::string> records = records_of(files[1]);
  REQUIRE(records.size() == 3);
  const auto start = fields_of(records[1]);
  CHECK(start.find(2)->second.number == 2);
  CHECK(fields_of(start.find(7)->second.bytes).find(1)->second.number == 1);
}

TEST_CASE("event files are removed, what else lies there is not") {
  const TemporaryFolder folder;
  const EventFile file(folder / "a");
  const EventFile other(folder / "b");
  std::ofstream(folder / "b/mine.txt") << "mine";
  remove_event_files(folder / "a");
  remove_event_files(folder / "b");
  remove_event_files(folder / "missing");
  CHECK_FALSE(fs::exists(folder / "a"));
  REQUIRE(files_in(folder / "b").size() == 1);
  CHECK(files_in(folder / "b")[0].filename() == "mine.txt");
}

TEST_CASE("a folder that cannot be written is an error with its name") {
  const TemporaryFolder folder;
  std::ofstream(folder / "file") << "x";
  CHECK_THROWS_AS(EventFile(folder / "file"), Error);
}
