// What is no data set, no model and no picture: one error, one hint, the exit code, and nothing left behind.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/run.h"
#include "unfold/files.h"
#include "unfold/formats/model_file.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;

namespace {

/// Checks exit code, the one `error:` and the one `hint:` line at the end of stderr, and what they say.
void check_refused(const ProcessResult& r, int code, const std::vector<std::string>& parts) {
  CAPTURE(r.err);
  CHECK(r.code == code);
  CHECK(r.out.empty());
  int errors = 0, hints = 0;
  const auto lines = lines_of(r.err);
  for (const std::string& line : lines) {
    errors += line.starts_with("error: ");
    hints += line.starts_with("hint: ");
  }
  CHECK(errors == 1);
  CHECK(hints == 1);
  REQUIRE(lines.size() >= 2);
  CHECK(lines[lines.size() - 2].starts_with("error: "));
  CHECK(lines.back().starts_with("hint: "));
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(contains(r.err, part));
  }
}

/// A file's bytes with big-endian `value` put at `at`.
std::string with_word(std::string bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (24 - 8 * i) & 255);
  return bytes;
}

}  // namespace

TEST_CASE("IDX files that are missing, cut off or lie are data errors that name the file") {
  const TemporaryFolder folder;
  const fs::path data = small_data(folder.path());
  const fs::path images = data / "train-images-idx3-ubyte", labels = data / "train-labels-idx1-ubyte";
  const std::string good_images = text_of(images), good_labels = text_of(labels);
  const fs::path out = folder / "run";
  const auto check = [&](const fs::path& file, const std::string& bytes, const std::string& part) {
    CAPTURE(part);
    write_file(file, bytes);
    check_refused(unfold_program({"train", "--data", data.string(), "--out", out.string(), "-q"}), 3,
                  {data.string(), part});
    CHECK(!fs::exists(out));  // the next try is not blocked by a folder of this one
    write_file(images, good_images);
    write_file(labels, good_labels);
  };
  check(images, good_images.substr(0, 1000), "train-images-idx3-ubyte");
  check(images, good_images.substr(0, 7), "train-images-idx3-ubyte");
  check(images, "", "train-images-idx3-ubyte");
  check(images, with_word(good_images, 0, 0x00000801), "magic");
  check(images, with_word(good_images, 4, 239), "train-images-idx3-ubyte");
  check(images, with_word(good_images, 4, 0xffffffff), "train-images-idx3-ubyte");
  check(images, with_word(with_word(good_images, 8, 0xffffffff), 12, 0xffffffff), "train-images-idx3-ubyte");
  check(labels, with_word(good_labels, 4, 10), "train-labels-idx1-ubyte");
  check(labels, good_labels.substr(0, 100), "train-labels-idx1-ubyte");
  std::string large = good_labels;
  large.back() = 77;
  check(labels, large, "77");
  fs::remove(labels);
  check_refused(unfold_program({"train", "--data", data.string(), "--out", out.string(), "-q"}), 3,
                {"train-labels-idx1-ubyte"});
  CHECK(!fs::exists(out));
}

TEST_CASE("images of another size are fitted to the network's input; an input too small for it is refused") {
  const TemporaryFolder folder;
  const DatasetPair pair{testing::small_set(40, 20, 20, 1), testing::small_set(20, 20, 20, 2)};
  write_directory(pair, folder / "small");
  const std::string data = (folder / "small").string(), out = (folder / "run").string();
  CHECK(unfold_program({"train", "--data", data, "--epochs", "1", "--out", out, "-q"}).code == 0);
  CHECK(load_model(folder / "run/best.safetensors").model.preprocessing.image_h == 20);
  const auto refused = [&](const char* input, std::vector<std::string> words, int code = 2) {
    fs::remove_all(out);
    check_refused(unfold_program({"train", "--data", data, "--input", input, "--out", out, "-q"}), code,
                  words);
    CHECK(!fs::exists(out));
  };
  refused("1x8x8", {"conv2", "the kernel is larger than the padded input"});
  for (const char* text : {"1x32", "1x32x32x", "1x0x32", "1x-3x3", "x", "99999999999x1x1"})
    refused(text, {"--input is no shape", text});
  refused("3x32x32", {"wanted (3, 20, 20)", "got (1, 20, 20)"}, 3);
}

TEST_CASE("a data set of an unknown name is a usage error with the nearest name") {
  const TemporaryFolder folder;
  check_refused(unfold_program({"train", "--data", "mnits", "--out", (folder / "r").string(), "-q"}), 2,
                {"mnits", "did you mean mnist?"});
  CHECK(!fs::exists(folder / "r"));
}

TEST_CASE("an earlier run outlives a --force whose data cannot be had") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path()), out = (folder / "run").string();
  REQUIRE(unfold_program({"train", "--data", data, "--epochs", "1", "--out", out}).code == 0);
  const std::string best = text_of(folder / "run/best.safetensors");
  check_refused(unfold_program({"train", "--data", "mnits", "--out", out, "--force", "-q"}), 2, {"mnits"});
  CHECK((text_of(folder / "run/best.safetensors") == best));
}

TEST_CASE("what a training run cannot be is said before any data is read, and leaves no folder behind") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path()), out = (folder / "deep/nested/run").string();
  const auto refused = [&](std::vector<std::string> more, int code, const std::vector<std::string>& parts) {
    std::vector<std::string> words = {"train", "--data", data, "--out", out, "-q"};
    words.insert(words.end(), more.begin(), more.end());
    check_refused(unfold_program(words), code, parts);
    CHECK(!fs::exists(folder / "deep"));
  };
  refused({"--epochs", "0"}, 2, {"epochs is out of range (wanted 1 to 1000000, got 0)"});
  refused({"--val-split", "1.5"}, 2, {"validation split", "wanted 0 to less than 1, got 1.5"});
  refused({"--seed", "-1"}, 2, {"--seed", "a whole number from 0"});
  refused({"--lr", "abc"}, 2, {"--lr is no such number (got 'abc')"});
  refused({"--patience", "3", "--val-split", "0"}, 2, {"--patience needs validation images"});
  refused({"--augment", "crop"}, 2, {"PIXELS of 'crop' is missing (wanted 1 to 64)"});
  refused({"--augment", "crop:nan"}, 2, {"is no number"});
  write_file(folder / "net.json", R"({"input": [1, 28, 28], "layers": [)");
  refused({"--model", (folder / "net.json").string()}, 4, {"this is no JSON (got parse error at line 1"});
}

TEST_CASE("a folder with pictures and no classes, and one with a single class") {
  const TemporaryFolder folder;
  const fs::path picture = fs::path(UNFOLD_DIGITS) / "3.png";
  fs::create_directories(folder / "flat");
  fs::copy(picture, folder / "flat/1.png");
  check_refused(unfold_program({"data", (folder / "flat").string(), "-q"}), 3,
                {"there is no data set in this folder", "got 1 other files", "cat/1.jpg"});
  for (int i = 0; i < 8; ++i) {
    fs::create_directories(folder / "one/all");
    fs::copy(picture, folder / "one/all" / (std::to_string(i) + ".png"));
  }
  check_refused(unfold_program(
                    {"train", "--data", (folder / "one").string(), "--out", (folder / "run").string(), "-q"}),
                3, {"one class only", "got all", "one level deeper?"});
  fs::create_directories(folder / "bytes/caf\xe9");
  fs::create_directories(folder / "bytes/tea");
  for (int i = 0; i < 8; ++i) {
    for (const char* name : {"bytes/caf\xe9", "bytes/tea"})
      fs::copy(picture, folder / name / (std::to_string(i) + ".png"));
  }
  check_refused(unfold_program({"train", "--data", (folder / "bytes").string(), "--out",
                                (folder / "run").string(), "-q"}),
                4, {"the name of a class is no text", "'caf?'"});
  CHECK(!fs::exists(folder / "run"));
}

TEST_CASE("a model that is not there, or not yet, is not taken for a picture") {
  const TemporaryFolder folder;
  const std::string picture = std::string(UNFOLD_DIGITS) + "/3.png";
  const std::string typo = (folder / "runs/lenet5-9").string();
  check_refused(unfold_program({"predict", typo, picture}), 4, {typo, "cannot open"});
  write_file(folder / "net.json", "{}");
  check_refused(unfold_program({"predict", (folder / "net.json").string(), picture}), 4,
                {"a network in JSON has no weights", "unfold train --model"});
  // Interrupted in its first epoch: what there is is a checkpoint.
  const std::string run = (folder / "run").string();
  fs::create_directories(run);
  check_refused(unfold_program({"predict", run, picture}), 4, {"not that of a run"});
  write_file(folder / "run/checkpoint.safetensors", "");
  check_refused(unfold_program({"predict", run, picture}), 4,
                {"has not finished an epoch", "unfold train --resume " + run});
}

TEST_CASE("damaged and foreign model files are model errors") {
  const TemporaryFolder folder;
  const std::string data = small_data(folder.path());
  save_model(folder / "good.safetensors", make_model("lenet5", 1));
  const std::string good = text_of(folder / "good.safetensors");
  const std::string path = (folder / "bad.safetensors").string();
  std::string flipped = good;
  flipped[flipped.size() / 2] ^= 1;
  for (const std::string& bytes : {good.substr(0, good.size() / 2), flipped, std::string(), good + "x",
                                   std::string("\x89PNG\r\n\x1a\n is no model"), std::string(64, '\xff')}) {
    write_file(path, bytes);
    check_refused(unfold_program({"eval", path, "--data", data, "-q"}), 4, {path});
    check_refused(unfold_program({"predict", path, std::string(UNFOLD_DIGITS) + "/3.png"}), 4, {path});
    check_refused(unfold_program({"summary", path}), 4, {path});
  }
  check_refused(unfold_program({"eval", (folder / "none.safetensors").string()}), 4, {"none.safetensors"});
}

TEST_CASE("summary of a model whose shapes do not fit names the layer, what it wants and what it got") {
  const TemporaryFolder folder;
  const fs::path path = folder / "m.safetensors";
  save_model(path, make_model("lenet5", 1));
  SafetensorsFile file = read_safetensors(path);
  auto json = nlohmann::json::parse(file.metadata.at("unfold.model"));
  json["layers"][3]["attributes"]["kernel_shape"] = {5, 99};
  file.metadata["unfold.model"] = json.dump();
  file.metadata.erase(std::string(kChecksumKey));
  seal(file);
  write_safetensors(path, file);
  check_refused(unfold_program({"summary", path.string()}), 4, {path.string(), "conv2", "wanted", "got"});
}

TEST_CASE("what is no picture is a data error") {
  const TemporaryFolder folder;
  save_model(folder / "m.safetensors", make_model("lenet5", 1));
  const auto check = [&](const std::string& name, const std::string& bytes) {
    CAPTURE(name);
    write_file(folder / name, bytes);
    check_refused(unfold_program({"predict", (folder / "m.safetensors").string(), (folder / name).string()}),
                  3, {name});
  };
  check("text.png", "this is a letter, not a picture\n");
  check("empty.png", "");
  check("huge.pgm", "P5\n20000 20000\n255\n");
  check("cut.pgm", "P5\n28 28\n255\nabc");
  check("negative.pgm", "P5\n-28 28\n255\n");
  const std::string png = text_of(std::string(UNFOLD_DIGITS) + "/3.png");
  REQUIRE(!png.empty());
  check("cut.png", png.substr(0, png.size() / 2));
  check_refused(
      unfold_program({"predict", (folder / "m.safetensors").string(), (folder / "none.png").string()}), 3,
      {"none.png"});
  // One pixel is a picture, with nothing on it.
  write_file(folder / "dot.pgm", std::string("P5\n1 1\n255\n\x7f"));
  const ProcessResult r =
      unfold_program({"predict", (folder / "m.safetensors").string(), (folder / "dot.pgm").string()});
  CAPTURE(r.err);
  CHECK(r.code == 0);
  CHECK(contains(r.out, "no answer: "));
}

TEST_CASE("where MNIST cannot be had: every source that was tried, the ways on, and no folder left") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "bin");
  fs::create_directory(folder / "cache");
  const ProcessResult r =
      unfold_program({"train", "--out", (folder / "run").string()},
                     {"PATH=" + (folder / "bin").string(), "XDG_CACHE_HOME=" + (folder / "cache").string(),
                      "HOME=" + (folder / "bin").string(), "UNFOLD_MNIST_MIRRORS=http://127.0.0.1:1/"});
  CAPTURE(r.err);
  CHECK(r.code == 3);
  CHECK(contains(r.err, "127.0.0.1:1"));
  CHECK(contains(r.err, "npm"));
  CHECK(contains(r.err, "--data strokes"));
  CHECK(contains(r.err, "--data DIR"));
  int errors = 0;
  for (const std::string& line : lines_of(r.err)) errors += line.starts_with("error: ");
  CHECK(errors == 1);
  CHECK(!fs::exists(folder / "run"));
}
