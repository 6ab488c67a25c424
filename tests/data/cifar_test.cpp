#include "unfold/data/cifar.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/data_files.h"
#include "unfold/data/source.h"
#include "unfold/error.h"
#include "unfold/files.h"

using namespace unfold;

namespace {

/// Records whose pixels count up, with these label bytes.
std::vector<std::byte> records(const std::vector<std::vector<int>>& labels) {
  std::vector<std::byte> bytes;
  int value = 0;
  for (const auto& label : labels) {
    for (const int b : label) bytes.push_back(static_cast<std::byte>(b));
    for (int i = 0; i < 3072; ++i) bytes.push_back(static_cast<std::byte>(value++ % 251));
  }
  return bytes;
}

}  // namespace

TEST_CASE("CIFAR-10: labels, planes, names, the batches in order; load_dataset finds it") {
  const testing::TemporaryFolder folder;
  const auto write = [&](const char* name, const std::vector<std::byte>& bytes) {
    write_file(folder.path() / name, std::span<const std::byte>(bytes));
  };
  write("data_batch_1.bin", records({{3}, {0}}));
  for (const char* name : {"data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin"})
    write(name, records({{9}}));
  write("test_batch.bin", records({{1}}));
  const std::string names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
  write_file(folder.path() / "batches.meta.txt", names);
  CHECK(is_cifar(folder.path()));
  CHECK_THROWS_AS(load_cifar(folder.path()), Error);  // four of five
  write("data_batch_5.bin", records({{4}}));
  const DatasetPair pair = load_dataset(folder.path().string(), {});
  CHECK(pair.train.name == "cifar10");
  CHECK(pair.train.image == Shape{3, 32, 32});
  CHECK(pair.train.labels == std::vector<int32_t>{3, 0, 9, 9, 9, 4});
  CHECK(pair.train.classes[3] == "cat");
  CHECK(pair.train.classes.size() == 10);
  CHECK(pair.train.at(1)[5] == (3072 + 5) % 251);
  CHECK(pair.test.size() == 1);
}

TEST_CASE("CIFAR-100: the fine label counts") {
  const testing::TemporaryFolder folder;
  for (const char* name : {"train.bin", "test.bin"})
    write_file(folder.path() / name, std::span<const std::byte>(records({{7, 99}, {1, 42}})));
  const DatasetPair pair = load_cifar(folder.path());
  CHECK(pair.test.labels == std::vector<int32_t>{99, 42});
  CHECK(pair.test.classes[42] == "42");
}

TEST_CASE("files that are none are refused by name") {
  Dataset data;
  data.classes.resize(10);
  CHECK_THROWS_WITH_AS(
      parse_cifar(records({{3}}), 2, "x.bin", data),
      "x.bin: this is no file of CIFAR's binary version (wanted a multiple of 3074 bytes, got 3073)", Error);
  CHECK_THROWS_WITH_AS(parse_cifar(records({{3}, {10}}), 1, "x.bin", data),
                       "x.bin, record 1: a label that is no class (wanted below 10, got 10)", Error);
  CHECK_THROWS_AS(parse_cifar({}, 1, "x.bin", data), Error);
}
