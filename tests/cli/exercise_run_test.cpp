// Students' files, compiled and run as a student would: right ones, empty ones, wrong ones, broken ones.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/run.h"
#include "unfold/files.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;

namespace {

const char* const kFiles[] = {"1_get_indices.cpp", "2_im2col.cpp", "3_col2im.cpp", "4_conv_backward.cpp",
                              "5_avg_pool_backward.cpp"};

std::string solution(int number) {
  return text_of(fs::path(UNFOLD_EXERCISES) / "solutions" / kFiles[number - 1]);
}

/// The text with every `from` replaced, of which there must be one at least.
std::string with(std::string text, const std::string& from, const std::string& to) {
  size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  for (; at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  return text;
}

int line_of(const std::string& text, const std::string& part) {
  const size_t at = text.find(part);
  REQUIRE(at != std::string::npos);
  return static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n')) + 1;
}

/// A student's folder; whatever the command does leaves its temporary folder empty.
class Desk {
 public:
  Desk() { fs::create_directory(folder_ / "tmp"); }

  /// Writes the file and has it checked.
  ProcessResult check(int number, const std::string& text, std::vector<std::string> more = {},
                      std::vector<std::string> env = {"CXX=" UNFOLD_CXX},
                      const std::string& name = "mine.cpp") {
    write_file(folder_ / name, text);
    std::vector<std::string> arguments = {"exercise", std::to_string(number), (folder_ / name).string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    env.push_back("TMPDIR=" + (folder_ / "tmp").string());
    const ProcessResult r = unfold_program(arguments, env);
    CHECK(fs::is_empty(folder_ / "tmp"));
    return r;
  }
  fs::path path(const std::string& name) const { return folder_ / name; }

 private:
  TemporaryFolder folder_;
};

/// Code 6, and these parts in the error and the hint.
void check_wrong(const ProcessResult& r, const std::vector<std::string>& parts) {
  CAPTURE(r.out);
  CAPTURE(r.err);
  CHECK(r.code == 6);
  CHECK(lines_of(r.err).size() == 2);
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(contains(r.err, part));
  }
}

}  // namespace

TEST_CASE("each solution is right in all cases, and each empty file is not written yet") {
  Desk desk;
  for (int number = 1; number <= 5; ++number) {
    CAPTURE(number);
    const ProcessResult good = desk.check(number, solution(number));
    CAPTURE(good.out);
    CAPTURE(good.err);
    CHECK(good.code == 0);
    CHECK(good.err.empty());
    CHECK(contains(good.out, number == 1 ? "all 8 cases are right" : "all 9 cases are right"));
    CHECK(!contains(good.out, "the compiler says"));
    const ProcessResult empty =
        desk.check(number, text_of(fs::path(UNFOLD_EXERCISES) / kFiles[number - 1]), {"--json"});
    check_wrong(empty, {"not written yet", "Your part"});
    const auto json = nlohmann::json::parse(empty.out);
    CHECK(json.at("verdict") == "not written");
    CHECK(json.at("compiler") == "");
  }
}

TEST_CASE("a mistake shows its first wrong cell, wanted, got, and what it is") {
  Desk desk;
  check_wrong(
      desk.check(1, with(solution(1), "oh * s.stride", "oh")),
      {"i, row 0 (channel 0, kh 0, kw 0), column 2 (oh 1, ow 0)", "case 4 (wanted 2, got 1)", "stride 1"});
  const ProcessResult mixed =
      desk.check(2, with(solution(2), "(n * s.OH + oh) * s.OW + ow", "(oh * s.OW + ow) * s.N + n"));
  check_wrong(mixed, {"columns, row 0 (channel 0, kh 0, kw 0), column 1 (image 0, oh 0, ow 1)", "case 7",
                      "images stand mixed"});
  CHECK(contains(mixed.out, "6  right   1 image of 1 channel of 3x3, window 3x3, padding 1"));
  CHECK(contains(mixed.out, "7  WRONG   2 images of 2 channels of 3x3, window 2x2"));

  const ProcessResult last = desk.check(3, with(solution(3), "+= columns", "= columns"), {"--json"});
  check_wrong(last, {"x of image 0, channel 0, row 0, column 1", "case 1 (wanted 4, got 2)", "add (+=)"});
  const ProcessResult shown = desk.check(2, with(solution(2), "(n * s.OH + oh)", "oh"));
  CHECK(contains(shown.out, "given: x of image 0, channel 0"));
  const auto json = nlohmann::json::parse(last.out);
  CHECK(json.at("verdict") == "wrong");
  CHECK(json.at("first_wrong").at("index") == 1);
  CHECK(json.at("first_wrong").at("wanted") == 4);
  CHECK(json.at("first_wrong").at("got") == 2);
  CHECK(json.at("cases").size() == 9);

  const ProcessResult turned =
      desk.check(4, with(solution(4), "g.dw[oc * patch + r]", "g.dw[oc * patch + patch - 1 - r]"));
  check_wrong(turned,
              {"dw of kernel 0, channel 0, row 0, column 0", "case 1 (wanted 37, got 77)", "mirrored"});
  CHECK(contains(turned.out, "37  47"));
  CHECK(contains(turned.out, "[77] [67]"));
  check_wrong(desk.check(4, with(solution(4), "dy[(n * s.OC + oc) * pixels + p]",
                                 "dy[oc * places + n * pixels + p]")),
              {"dx of image 0", "case 7", "plain reshape mixes"});
  check_wrong(
      desk.check(4, with(solution(4), "g.dx = col2im", "for (double& v : g.dw) v /= s.N;\n  g.dx = col2im")),
      {"dw of kernel 0, channel 0, row 0, column 0", "case 7", "mean over the images"});
  check_wrong(desk.check(5, with(solution(5), " / taps", "")),
              {"dx of image 0, channel 0, row 0, column 0", "case 1 (wanted 1, got 4)", "1/(KH*KW)"});
}

TEST_CASE("a mistake that nobody knows is told by what the wrong cases have in common") {
  Desk desk;
  check_wrong(desk.check(3, with(solution(3), "return x;", "if (s.pad > 0) x[0] += 0.25;\n  return x;")),
              {"row 0, column 0", "case 6", "every wrong case has padding"});
  // One number right, the next not a number at all; differences far behind the point are shown.
  check_wrong(desk.check(3, with(solution(3), "return x;", "x[2] = 0.0 / (x[0] - x[0]);\n  return x;")),
              {"row 0, column 2", "wanted 3, got", "nan"});
  check_wrong(desk.check(3, with(solution(3), "return x;", "x[2] += 1e-6;\n  return x;")), {"got 3.00000"});
  check_wrong(desk.check(3, with(solution(3), "return x;", "x.pop_back();\n  return x;")),
              {"x: the wrong length in case 1", "wanted 9, got 8"});
}

TEST_CASE("what the compiler says is shown with the student's own file and line") {
  Desk desk;
  const std::string text = with(solution(2), "  return columns;", "  return colums;");
  const ProcessResult r = desk.check(2, text);
  const std::string place =
      desk.path("mine.cpp").string() + ":" + std::to_string(line_of(text, "return colums;"));
  check_wrong(r, {"does not compile", place, "colums"});
  CHECK(contains(r.out, place));
  CHECK(!contains(r.out, "runner.cpp"));
  check_wrong(desk.check(2, with(solution(2), "> im2col(const", "> im_to_col(const")),
              {"no function of the wanted name", "unfold exercise 2"});
}

TEST_CASE("an endless loop is stopped after the limit, in the case that is named") {
  Desk desk;
  const auto start = std::chrono::steady_clock::now();
  const ProcessResult r = desk.check(
      2, with(solution(2), "  return columns;", "  while (s.stride > 1) columns[0] += 1;\n  return columns;"),
      {"--limit", "1"});
  check_wrong(
      r, {"did not come to an end in case 4 (1 image of 1 channel of 4x4, window 2x2, stride 2)", "--limit"});
  CHECK(contains(r.out, "3  right"));
  CHECK(contains(r.out, "4  ENDLESS"));
  CHECK(contains(r.out, "5  not run"));
  // Also one that prints without end.
  const ProcessResult noisy = desk.check(
      2,
      with(with(solution(2), "  return columns;", "  for (;;) std::printf(\"%d again and again\\n\", s.N);"),
           "#include <vector>", "#include <cstdio>\n#include <vector>"),
      {"--limit", "1"});
  check_wrong(noisy, {"did not come to an end in case 1"});
  CHECK(contains(noisy.out, "1 again and again"));
  CHECK(lines_of(noisy.out).size() < 40);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(120));
}

TEST_CASE("a crash is told with its signal, its case and, where sanitizers are installed, its line") {
  Desk desk;
  // Without the question whether the pixel lies inside: an index below 0 where there is padding.
  const std::string outside = with(solution(2), "if (h < 0 || h >= s.H || w < 0 || w >= s.W) continue;", "");
  const ProcessResult r = desk.check(2, outside);
  check_wrong(r, {"crashed in case 6", "an index beyond the end of a vector", "mine.cpp"});
  CHECK(contains(r.out, "6  CRASHED"));
  CHECK(!contains(r.out, "Assertion"));
  const std::string line = "mine.cpp:" + std::to_string(line_of(outside, "columns[r * places"));
  if (contains(r.err, "mine.cpp:")) {
    CHECK(contains(r.err, line));
  } else {
    MESSAGE("no line: the sanitizers are not installed");
  }
  check_wrong(desk.check(2, with(solution(2), "  return columns;",
                                 "  *static_cast<volatile int*>(nullptr) = s.N;\n  return columns;")),
              {"crashed in case 1", "SIGSEGV"});
  check_wrong(
      desk.check(2, with(solution(2), "  return columns;", "  columns[0] = s.N / s.pad;\n  return columns;")),
      {"crashed in case 1", "SIGFPE"});
  check_wrong(desk.check(2, with(solution(2), "rows * places, 0.0", "rows * places - 100, 0.0")),
              {"threw an exception in case 1", "vector"});
  check_wrong(desk.check(2, with(with(solution(2), "  return columns;", "  std::exit(0);"),
                                 "#include <vector>", "#include <cstdlib>\n#include <vector>")),
              {"ended the program in case 1", "exit"});
}

TEST_CASE("a student may keep a main, print, use his own im2col, and call the file what he likes") {
  Desk desk;
  std::string text =
      with(solution(2), "#include <vector>", "#include <iostream>\n#include <vector>\nusing namespace std;");
  text = with(text, "  return columns;", "  cout << \"rows \" << rows << endl;\n  return columns;");
  text += "\nint main() { return 1; }\n";
  const std::string name = "it's a \"file\" $(touch pwned); `touch pwned`.cpp";
  const ProcessResult r = desk.check(2, text, {}, {"CXX=" UNFOLD_CXX}, name);
  CAPTURE(r.err);
  CHECK(r.code == 0);
  CHECK(contains(r.out, "your program printed:\n  rows 4\n"));
  CHECK(!fs::exists("pwned"));
  CHECK(!fs::exists(desk.path("pwned")));

  // Exercise 4 with one's own im2col, a wrong one: it is the one that is called.
  const std::string own = solution(2), body = own.substr(own.find("std::vector<double> im2col"));
  const std::string both = solution(4) + "\n" + with(body, "= x[((n", "= 1 + x[((n");
  check_wrong(desk.check(4, both), {"dw of kernel 0"});
}

TEST_CASE("without a compiler that is what is said") {
  Desk desk;
  const auto refused = [](const ProcessResult& r, const std::string& error, const std::string& hint) {
    CAPTURE(r.err);
    CHECK(r.code == 1);
    CHECK(r.out.empty());
    CHECK(lines_of(r.err).size() == 2);
    CHECK(contains(r.err, error));
    CHECK(contains(r.err, hint));
  };
  refused(desk.check(1, solution(1), {}, {"CXX", "PATH=/nowhere"}), "there is no C++ compiler here",
          "apt install g++");
  refused(desk.check(1, solution(1), {}, {"CXX=/nowhere/g++ -m64"}), "/nowhere/g++ -m64", "CXX");
}

TEST_CASE("Ctrl-C ends a student's endless loop and leaves nothing behind") {
  const TemporaryFolder folder;
  const fs::path file = folder / "mine.cpp", temporary = folder / "tmp";
  fs::create_directory(temporary);
  write_file(file,
             with(solution(2), "  return columns;", "  while (s.N) columns[0] += 1;\n  return columns;"));
  setenv("TMPDIR", temporary.c_str(), 1);
  setenv("CXX", UNFOLD_CXX, 1);
  const auto running = [&] {
    for (const auto& entry : fs::directory_iterator(temporary)) {
      if (fs::exists(entry.path() / "answers")) return true;
    }
    return false;
  };
  CHECK(stop_program({"exercise", "2", file.string(), "--limit", "200"}, SIGINT, running) == 130);
  CHECK(fs::is_empty(temporary));
  unsetenv("TMPDIR");
  unsetenv("CXX");
}
