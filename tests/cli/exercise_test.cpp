// The exercises without a compiler: what is wanted, what mistakes give, what the command writes and refuses.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "cli/exercise_mistakes.h"
#include "tests/support/run.h"
#include "unfold/files.h"

using namespace unfold;
using namespace unfold::cli;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;

namespace {

constexpr Mistake kAll[] = {
    Mistake::zeros,      Mistake::no_stride,      Mistake::no_pad,      Mistake::no_pad_rows,
    Mistake::unpadded,   Mistake::no_pad_columns, Mistake::swapped,     Mistake::kernel_first,
    Mistake::down_first, Mistake::place_first,    Mistake::wrong_width, Mistake::mirrored,
    Mistake::kept_first, Mistake::overwritten,    Mistake::averaged,    Mistake::over_images,
    Mistake::reshaped,   Mistake::undivided,      Mistake::inside,
};

const Exercise& exercise(int number) {
  return exercises()[static_cast<size_t>(number - 1)];
}

/// The numbers of a text, in order.
std::vector<double> numbers_in(const std::string& text) {
  std::vector<double> numbers;
  for (size_t at = 0; (at = text.find_first_of("0123456789", at)) != std::string::npos;) {
    size_t used = 0;
    numbers.push_back(std::stod(text.substr(at), &used));
    at += used;
  }
  return numbers;
}

void check_refused(const ProcessResult& r, const std::string& error, const std::string& hint) {
  CAPTURE(r.err);
  CHECK(r.code == 2);
  CHECK(r.out.empty());
  const auto lines = lines_of(r.err);
  REQUIRE(lines.size() == 2);
  CHECK(contains(lines[0], error));
  CHECK(contains(lines[1], hint));
}

ProcessResult unfold_in(const fs::path& folder, std::vector<std::string> arguments) {
  const fs::path before = fs::current_path();
  fs::current_path(folder);
  ProcessResult r = unfold_program(std::move(arguments));
  fs::current_path(before);
  return r;
}

}  // namespace

TEST_CASE("what is wanted in the first case is the example that stands in the file, worked out by hand") {
  const auto wanted = [](int number) {
    return wanted_results(exercise(number), exercise_cases(exercise(number)).front());
  };
  using V = Vectors;
  CHECK(wanted(1) == V{{0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2},
                       {0, 1, 0, 1, 1, 2, 1, 2, 0, 1, 0, 1, 1, 2, 1, 2},
                       {0, 0, 0, 0}});
  CHECK(wanted(2) == V{{1, 2, 4, 5, 2, 3, 5, 6, 4, 5, 7, 8, 5, 6, 8, 9}});
  CHECK(wanted(3) == V{{1, 4, 3, 8, 20, 12, 7, 16, 9}});
  CHECK(wanted(4) == V{{1, 4, 4, 6, 20, 16, 9, 24, 16}, {37, 47, 67, 77}, {10}});
  CHECK(wanted(5) == V{{1, 3, 2, 4, 10, 6, 3, 7, 4}});
  // The files say the same, line by line.
  const auto says = [](int number, const std::vector<std::string>& lines) {
    const std::string text = text_of(fs::path(UNFOLD_EXERCISES) / exercise(number).file);
    for (const std::string& line : lines) {
      CAPTURE(line);
      CHECK(contains(text, line));
    }
  };
  says(1, {"i:  0 0 1 1      j:  0 1 0 1      d:  0\n", "    0 0 1 1          1 2 1 2          0\n",
           "    1 1 2 2          0 1 0 1          0\n", "    1 1 2 2          1 2 1 2          0\n"});
  says(2, {"columns:  1 2 4 5 ", "2 3 5 6 ", "4 5 7 8\n", "5 6 8 9\n"});
  says(3, {"x:  1  4  3\n", " 8 20 12\n", " 7 16  9\n"});
  says(4, {"dw:  37 47   db:  10   dx:  1  4  4\n", " 67 77                  6 20 16\n", "  9 24 16\n"});
  says(5, {"dx:  1  3  2 ", "  4 10  6 ", "  3  7  4\n"});
}

TEST_CASE("the library and the definition written out again agree in every case") {
  for (const Exercise& one : exercises()) {
    for (const ExerciseCase& k : exercise_cases(one)) {
      CAPTURE(k.sizes.text(true));
      const Vectors wanted = wanted_results(one, k), again = mistaken_results(one, k, Mistake::none);
      REQUIRE(wanted.size() == one.results.size());
      REQUIRE(again.size() == wanted.size());
      for (size_t r = 0; r < wanted.size(); ++r) {
        REQUIRE(again[r].size() == wanted[r].size());
        for (size_t v = 0; v < wanted[r].size(); ++v) CHECK(again[r][v] == doctest::Approx(wanted[r][v]));
      }
    }
  }
}

TEST_CASE("every known mistake is seen by some case, and is recognised there by its numbers alone") {
  int recognised = 0;
  for (const Exercise& one : exercises()) {
    const auto cases = exercise_cases(one);
    for (const Mistake mistake : kAll) {
      if (advice(one, mistake).empty()) continue;
      CAPTURE(one.name);
      CAPTURE(static_cast<int>(mistake));
      std::vector<Vectors> got;
      for (const ExerciseCase& k : cases) got.push_back(mistaken_results(one, k, mistake));
      bool seen = false;
      for (size_t k = 0; k < cases.size() && !seen; ++k) {
        const Vectors wanted = wanted_results(one, cases[k]);
        for (size_t r = 0; r < wanted.size() && !seen; ++r) {
          if (got[k][r] == wanted[r]) continue;
          seen = true;  // as the command does: the first case, the first result that is wrong
          CHECK(recognise(one, cases, got, k, r) == mistake);
        }
      }
      CHECK(seen);
      ++recognised;
    }
    std::vector<Vectors> noise;
    for (const ExerciseCase& k : cases) {
      noise.push_back(wanted_results(one, k));
      for (auto& values : noise.back()) values[0] += 0.5;
    }
    CHECK(recognise(one, cases, noise, 0, 0) == Mistake::none);
  }
  CHECK(recognised >= 30);
}

TEST_CASE("places are called by what they are") {
  const ExerciseSizes s =
      exercise_cases(exercise(4)).back().sizes;  // 2 images of 3x5x6, 4 kernels 3x2, 3x4 places
  CHECK(s.oh == 3);
  CHECK(s.ow == 4);
  CHECK(place_text({"dx", Layout::images}, s, 0) == "dx of image 0, channel 0, row 0, column 0");
  CHECK(place_text({"dx", Layout::images}, s, ((1 * 3 + 2) * 5 + 3) * 6 + 4) ==
        "dx of image 1, channel 2, row 3, column 4");
  CHECK(place_text({"dw", Layout::kernels}, s, ((3 * 3 + 1) * 3 + 2) * 2 + 1) ==
        "dw of kernel 3, channel 1, row 2, column 1");
  CHECK(place_text({"db", Layout::per_kernel}, s, 2) == "db of kernel 2");
  CHECK(place_text({"columns", Layout::columns}, s, 11 * 24 + 12 + 7) ==
        "columns, row 11 (channel 1, kh 2, kw 1), column 19 (image 1, oh 1, ow 3)");
  CHECK(place_text({"i", Layout::index}, s, 2 * 12 + 5) ==
        "i, row 2 (channel 0, kh 1, kw 0), column 5 (oh 1, ow 1)");
  CHECK(place_text({"d", Layout::index_column}, s, 17) == "d, row 17 (channel 2, kh 2, kw 1)");
}

TEST_CASE("alone it lists the five, with a number it writes the empty file, never over another") {
  const TemporaryFolder folder;
  const ProcessResult list = unfold_program({"exercise"});
  CHECK(list.code == 0);
  for (const Exercise& one : exercises()) {
    CHECK(contains(list.out, "  " + std::to_string(one.number) + "  " + one.name));
    const ProcessResult r = unfold_in(folder.path(), {"exercise", std::to_string(one.number)});
    CHECK(r.code == 0);
    CHECK(contains(r.out, one.file));
    const std::string text = text_of(folder / one.file);
    CHECK(text == text_of(fs::path(UNFOLD_EXERCISES) / one.file));
    CHECK(contains(text, "// Your part."));
    write_file(folder / one.file, std::string_view("mine"));
    check_refused(unfold_in(folder.path(), {"exercise", one.name}), one.file, "unfold exercise ");
    CHECK(text_of(folder / one.file) == "mine");
  }
  CHECK(numbers_in(list.out).size() >= 5);
}

TEST_CASE("what cannot be meant is refused, with what could be") {
  check_refused(unfold_program({"exercise", "6"}), "no exercise 6", "lists them");
  check_refused(unfold_program({"exercise", "im2cl"}), "unknown exercise 'im2cl'", "did you mean 'im2col'?");
  check_refused(unfold_program({"exercise", "2_im2col.cpp"}), "number", "unfold exercise 2 2_im2col.cpp");
  check_refused(unfold_program({"exercise", "2", "nowhere.cpp"}), "nowhere.cpp", "2_im2col.cpp");
  check_refused(unfold_program({"exercise", "2", "/tmp"}), "no such file", "2_im2col.cpp");
  check_refused(unfold_program({"exercise", "2", "x.cpp", "--limit", "0"}), "--limit", "--help");
}
