#include "unfold/files.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/fault_run.h"

using namespace unfold;
namespace fs = std::filesystem;

namespace {

/// A folder that is gone at the end of the test.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("unfold-files-" + std::to_string(::getpid()));
  Folder() {
    fs::remove_all(path);
    fs::create_directory(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(path)) all.push_back(entry.path().filename().string());
    std::ranges::sort(all);
    return all;
  }
};

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Larger than a page, so that half a file and a whole one differ.
const std::string kOld(9000, 'o'), kNew(10000, 'n');

/// Writes kNew over kOld in another process, with the fault.
FaultRun write_over_old(const Folder& folder, const std::string& fault) {
  std::ofstream(folder.path / "model", std::ios::binary) << kOld;
  return run_with_fault(UNFOLD_FAULT_SHIM, folder.path, fault,
                        {UNFOLD_WRITE_HELPER, (folder.path / "model").string(), "n", "10000"});
}

}  // namespace

TEST_CASE("a file goes to disk and back, and replaces the old one") {
  const Folder folder;
  const fs::path path = folder.path / "model";
  for (const std::string& text : {kOld, kNew, std::string()}) {
    write_file(path, text);
    const std::vector<std::byte> bytes = read_file(path, ErrorKind::model);
    CHECK(std::ranges::equal(bytes, std::as_bytes(std::span(text))));
  }
  CHECK(folder.names() == std::vector<std::string>{"model"});
}

TEST_CASE("what cannot be read is refused with the path and the kind asked for") {
  const Folder folder;
  write_file(folder.path / "five", "12345");
  for (const fs::path& path : {folder.path / "missing", folder.path, fs::path("/dev/zero")}) {
    try {
      read_file(path, ErrorKind::data);
      FAIL("not refused");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::data);
      CHECK(std::string(e.what()).starts_with(path.string() + ": "));
    }
  }
  CHECK(read_file(folder.path / "five", ErrorKind::data, 5).size() == 5);
  CHECK_THROWS_AS(read_file(folder.path / "five", ErrorKind::data, 4), Error);
}

TEST_CASE("a fault at any system call leaves the old file or the new one, whole") {
  // As SQLite tests itself: the n-th call goes wrong, for n = 1, 2, ... until the write no longer gets that
  // far.
  for (const std::string op : {"open", "write", "fsync", "rename", "close"}) {
    for (const std::string action : {"fail", "kill", "short"}) {
      if (action == "short" && op != "write") continue;
      const Folder folder;
      int struck = 0;
      for (int n = 1;; ++n) {
        REQUIRE(n < 20);
        const std::string fault = op + ":" + std::to_string(n) + ":" + action;
        CAPTURE(fault);
        const FaultRun run = write_over_old(folder, fault);
        const std::string now = content(folder.path / "model");
        if (!run.struck) {
          CHECK(run.exit_code == 0);
          CHECK(now == kNew);
          // What the killed ones before left behind is gone.
          CHECK(folder.names() == std::vector<std::string>{"model"});
          break;
        }
        ++struck;
        CHECK((now == kOld || now == kNew));
        if (action == "fail") {
          CHECK(run.exit_code == 1);
          CHECK(run.output.find("error: " + (folder.path / "model").string() + ": cannot ") == 0);
          CHECK(run.output.find("\nhint: ") != std::string::npos);
          CHECK(folder.names() == std::vector<std::string>{"model"});
          // Only once the rename is done can the new content be there.
          CHECK(now == (fault == "fsync:2:fail" ? kNew : kOld));
        } else {
          CHECK(run.signal == SIGKILL);
          const std::vector<std::string> names = folder.names();
          CHECK(std::ranges::count(names, "model") == 1);
          CHECK(names.size() <= 2);
        }
      }
      // fsync: of the file, then of the folder. The others: once.
      CHECK(struck == (op == "fsync" ? 2 : 1));
    }
  }
}

TEST_CASE("a full disk is an error that names the file, and the old file stays") {
  const Folder folder;
  const fs::path path = folder.path / "model";
  for (const std::string limit : {"1000", "4096", "9999"}) {
    std::ofstream(path, std::ios::binary) << kOld;
    const FaultRun run =
        run_with_fault("", folder.path, "", {UNFOLD_WRITE_HELPER, path.string(), "n", "10000", limit});
    CHECK(run.exit_code == 1);
    // A line of its own: a build that measures coverage complains before it that its counts cannot be written
    // either.
    CHECK(("\n" + run.output).find("\nerror: " + path.string() + ": cannot write: ") != std::string::npos);
    CHECK(run.output.find("hint: the old file") != std::string::npos);
    CHECK(content(path) == kOld);
    CHECK(folder.names() == std::vector<std::string>{"model"});
  }
  const FaultRun fits =
      run_with_fault("", folder.path, "", {UNFOLD_WRITE_HELPER, path.string(), "n", "10000", "10000"});
  CHECK(fits.exit_code == 0);
  CHECK(content(path) == kNew);
}

TEST_CASE("what does not fit at the end of a file leaves nothing of itself there") {
  const Folder folder;
  const fs::path path = folder.path / "log";
  const auto append = [&](const std::string& largest) {
    return run_with_fault("", folder.path, "",
                          {UNFOLD_WRITE_HELPER, path.string(), "n", "1000", largest, "append"});
  };
  CHECK(append("1000").exit_code == 0);
  for (const std::string largest : {"1000", "1001", "1999"}) {  // the system writes 0, 1 and 999 bytes
    const FaultRun run = append(largest);
    CHECK(run.exit_code == 1);
    CHECK(("\n" + run.output).find("\nerror: " + path.string() + ": cannot write: ") != std::string::npos);
    CHECK(content(path) == std::string(1000, 'n'));
  }
  CHECK(append("2000").exit_code == 0);
  CHECK(content(path) == std::string(2000, 'n'));
}

TEST_CASE("leftovers of dead processes are removed, other files and those being written are not") {
  const Folder folder;
  for (const char* name : {"model.tmp-1", "model.tmp-123456789", "model.tmp-", "model.tmp-12x",
                           "model2.tmp-7", "other.tmp-7", "model.tmp-55"}) {
    std::ofstream(folder.path / name) << "left";
  }
  const int writing = ::open((folder.path / "model.tmp-55").c_str(), O_WRONLY);
  REQUIRE(::flock(writing, LOCK_EX | LOCK_NB) == 0);
  write_file(folder.path / "model", kNew);
  CHECK(folder.names() == std::vector<std::string>{"model", "model.tmp-", "model.tmp-12x", "model.tmp-55",
                                                   "model2.tmp-7", "other.tmp-7"});
  ::close(writing);
}

TEST_CASE("a link stays a link, and what is no file is left alone") {
  const Folder folder;
  write_file(folder.path / "target", kOld);
  fs::create_symlink("target", folder.path / "link");
  write_file(folder.path / "link", kNew);
  CHECK(fs::is_symlink(folder.path / "link"));
  CHECK(content(folder.path / "target") == kNew);

  fs::create_directory(folder.path / "folder");
  fs::create_symlink("/dev/null", folder.path / "null");
  for (const char* name : {"folder", "null"}) CHECK_THROWS_AS(write_file(folder.path / name, kNew), Error);
  CHECK(fs::is_directory(folder.path / "folder"));
  CHECK_THROWS_AS(write_file(folder.path / "missing" / "model", kNew), Error);
}

TEST_CASE("CRC-32 is zlib's, and may be computed in parts") {
  const std::string text = "123456789";
  const auto bytes = std::as_bytes(std::span(text));
  CHECK(crc32_of(bytes) == 0xCBF43926u);  // the check value of the algorithm's catalogue
  CHECK(crc32_of(bytes.subspan(4), crc32_of(bytes.first(4))) == 0xCBF43926u);
  CHECK(crc32_of({}) == 0);
}
