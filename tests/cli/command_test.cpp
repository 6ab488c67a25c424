// The program as its users meet it: what it prints where, and how it ends.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/table.h"
#include "tests/support/process.h"
#include "unfold/formats/npy.h"
#include "unfold/im2col.h"
#include "unfold/suggest.h"

using namespace unfold;
using namespace unfold::test;

namespace {

ProcessResult unfold_program(std::vector<std::string> arguments, const std::vector<std::string>& env = {}) {
  arguments.insert(arguments.begin(), UNFOLD_PROGRAM);
  return run(arguments, env);
}

/// Checks the one `error:` and the one `hint:` line, nothing on stdout, and the exit code.
void check_refused(const ProcessResult& r, int code, const std::string& error, const std::string& hint) {
  CAPTURE(r.err);
  CHECK(r.code == code);
  CHECK(r.out.empty());
  const auto lines = lines_of(r.err);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with("error: "));
  CHECK(lines[0].find(error) != std::string::npos);
  CHECK(lines[1].starts_with("hint: "));
  CHECK(lines[1].find(hint) != std::string::npos);
}

size_t longest_line(const std::string& text) {
  size_t longest = 0;
  for (const std::string& line : lines_of(text)) longest = std::max(longest, line.size());
  return longest;
}

/// The elements of a nested list, row by row.
void flatten(const nlohmann::json& list, std::vector<double>& values) {
  if (!list.is_array()) return values.push_back(list.get<double>());
  for (const auto& item : list) flatten(item, values);
}

std::vector<double> json_values(const nlohmann::json& array) {
  std::vector<double> values;
  flatten(array.at("values"), values);
  return values;
}

}  // namespace

TEST_CASE("unknown commands, options and names are refused with the nearest that exists") {
  check_refused(unfold_program({"im2cl"}), 2, "unknown command 'im2cl'", "did you mean 'im2col'?");
  check_refused(unfold_program({"im2cl", "--kernel", "2"}), 2, "unknown command 'im2cl'",
                "did you mean 'im2col'?");
  check_refused(unfold_program({"im2col", "--kernl", "2"}), 2, "unknown option '--kernl'",
                "did you mean '--kernel'?");
  check_refused(unfold_program({"im2col", "--kernl=2"}), 2, "unknown option '--kernl'",
                "did you mean '--kernel'?");
  check_refused(unfold_program({"im2col", "--show", "colums"}), 2, "unknown view 'colums'",
                "did you mean 'columns'?");
  check_refused(unfold_program({"--vesion"}), 2, "unknown option '--vesion'", "did you mean '--version'?");
  check_refused(unfold_program({"doctor", "extra"}), 2, "takes no 'extra'", "unfold doctor --help");
  check_refused(unfold_program({"doctor", "--zzzzzzzz"}), 2, "unknown option", "unfold doctor --help");
}

TEST_CASE("arguments that cannot work end with code 2 and say what was wanted") {
  check_refused(unfold_program({"im2col", "--kernel"}), 2, "--kernel", "--help");
  check_refused(unfold_program({"im2col", "--kernel", "two"}), 2, "got 'two'", "--help");
  check_refused(unfold_program({"im2col", "--kernel", "5"}), 2, "wanted at least 5x5, got 4x4",
                "smaller kernel");
  check_refused(unfold_program({"im2col", "--stride", "0"}), 2, "stride", "--help");
  check_refused(unfold_program({"im2col", "--pad", "-1"}), 2, "padding", "--help");
  check_refused(unfold_program({"im2col", "--pad", "1,2,3"}), 2, "--pad", "--help");
  check_refused(unfold_program({"im2col", "--shape", "1x3x0x4"}), 2, "--shape", "--help");
  check_refused(unfold_program({"im2col", "--shape", "9x9x9999x9999"}), 2, "too large to show",
                "smaller --shape");
  check_refused(unfold_program({"im2col", "--shape", "1x1x3000x3000", "--kernel", "3"}), 2,
                "the columns would be", "");
  check_refused(unfold_program({"im2col", "--shape", "4611686018427387904x8"}), 2, "elements", "--help");
  check_refused(unfold_program({"doctor", "-q", "-v"}), 2, "--quiet", "--help");
}

TEST_CASE("a missing file is a data error, and its name cannot break the line") {
  check_refused(unfold_program({"im2col", "--input", "/nowhere/x.npy"}), 3, "/nowhere/x.npy", "");
  check_refused(unfold_program({"im2col", "--input", "/no\n\x1b[31mwhere"}), 3, "where", "");
}

TEST_CASE("the program alone shows the next steps, each a command that exists") {
  const ProcessResult r = unfold_program({});
  CHECK(r.code == 0);
  CHECK(r.err.empty());
  CHECK(longest_line(r.out) <= 60);
  int steps = 0;
  for (const std::string& line : lines_of(r.out)) {
    if (!line.starts_with("  unfold ")) continue;
    const std::string command = line.substr(9, line.find(' ', 9) - 9);
    CAPTURE(command);
    const ProcessResult help = unfold_program({command, "--help"});
    CHECK(help.code == 0);
    CHECK(help.out.find("Examples:\n") != std::string::npos);
    ++steps;
  }
  CHECK(steps == 5);
}

TEST_CASE("--version tells version, compiler and vector instructions; --help and help agree") {
  const ProcessResult version = unfold_program({"--version"});
  CHECK(version.code == 0);
  CHECK(version.out.starts_with("unfold 0."));
  CHECK(version.out.find("Highway ") != std::string::npos);
  CHECK(lines_of(version.out).size() == 3);
  const ProcessResult help = unfold_program({"help", "im2col"});
  CHECK(help.code == 0);
  CHECK(help.out.find("--kernel") != std::string::npos);
  CHECK(help.out == unfold_program({"im2col", "--help"}).out);
}

TEST_CASE("underscores in long options are hyphens, and only in the options") {
  // doctor has no option with a hyphen: the refusal shows what was looked for.
  check_refused(unfold_program({"doctor", "--no_such_thing"}), 2, "'--no-such-thing'", "");
  check_refused(unfold_program({"im2col", "--show=a_b"}), 2, "'a_b'", "");
}

TEST_CASE("im2col draws the article's example, fitted to 60 columns") {
  const ProcessResult r = unfold_program({"im2col", "--shape", "1x3x4x4", "--kernel", "2"}, {"COLUMNS=60"});
  CHECK(r.code == 0);
  CHECK(r.err.empty());
  CHECK(longest_line(r.out) <= 60);
  CHECK(r.out.find("columns (12, 9)") != std::string::npos);
  CHECK(r.out.find("    2,1,1  37  38  39  41  42  43  45  46  47\n") != std::string::npos);
  CHECK(r.out.find("   2 4 4 2\n") != std::string::npos);
  CHECK(r.out.find("...\n") == std::string::npos);  // all of it fits
}

TEST_CASE("im2col leaves out the middle of what is too wide or too long, and says so") {
  for (const char* columns : {"COLUMNS=40", "COLUMNS=60", "COLUMNS=200"}) {
    const ProcessResult r = unfold_program(
        {"im2col", "--shape", "2x3x20x20", "--kernel", "5", "--show", "columns,indices"}, {columns});
    CAPTURE(columns);
    CHECK(r.code == 0);
    CHECK(longest_line(r.out) <= std::stoul(std::string(columns).substr(8)));
    CHECK(r.out.find(" ... ") != std::string::npos);
    CHECK(r.out.find("(48 of 75 rows, ") != std::string::npos);
    CHECK(r.out.find("of 512 columns shown)") != std::string::npos);
  }
}

TEST_CASE("im2col --json holds the library's own arrays, from pixel numbers and from a file") {
  const Shape shape{2, 2, 4, 5};
  Window2d window;
  window.kernel_h = 2, window.kernel_w = 3, window.stride_h = 2, window.dilation_h = 2;
  window.pad_top = 1, window.pad_left = 0, window.pad_bottom = 2, window.pad_right = 1;
  Tensor x = Tensor::zeros<float>(shape);
  for (int64_t e = 0; e < x.elements(); ++e) x.data<float>()[e] = static_cast<float>(e);

  const auto file =
      std::filesystem::temp_directory_path() / ("unfold-im2col-" + std::to_string(getpid()) + ".npy");
  write_npy(file, x);
  const std::vector<std::string> geometry = {"--kernel", "2x3",   "--stride", "2x1",   "--dilation",
                                             "2x1",      "--pad", "1,0,2,1",  "--json"};
  std::vector<std::string> from_shape = {"im2col", "--shape", "2x2x4x5"},
                           from_file = {"im2col", "--input", file};
  from_shape.insert(from_shape.end(), geometry.begin(), geometry.end());
  from_file.insert(from_file.end(), geometry.begin(), geometry.end());
  const ProcessResult r = unfold_program(from_shape), again = unfold_program(from_file);
  std::filesystem::remove(file);
  REQUIRE(r.code == 0);
  CHECK(r.err.empty());
  CHECK(again.out == r.out);

  const auto json = nlohmann::json::parse(r.out);
  const Tensor columns = im2col(x, window), fold = col2im(columns, shape, window);
  const auto same = [](const std::vector<double>& got, std::span<const float> wanted) {
    return std::equal(got.begin(), got.end(), wanted.begin(), wanted.end());
  };
  CHECK(json.at("columns").at("shape") == std::vector<int64_t>{columns.shape()[0], columns.shape()[1]});
  CHECK(same(json_values(json.at("columns")), std::as_const(columns).span<float>()));
  CHECK(same(json_values(json.at("fold")), std::as_const(fold).span<float>()));
  const Indices at = get_indices(shape, window);
  const auto i = std::as_const(at.i).span<int64_t>();
  const auto shown = json_values(json.at("indices").at("i"));
  CHECK(std::equal(shown.begin(), shown.end(), i.begin(), i.end()));
  const auto overlap = json_values(json.at("overlap"));
  REQUIRE(overlap.size() == 20);
  for (size_t p = 1; p < overlap.size(); ++p)
    CHECK(overlap[p] * static_cast<double>(p) == fold.span<float>()[p]);
}

TEST_CASE("doctor reports this machine, for people and as JSON, also without a home") {
  const ProcessResult text = unfold_program({"doctor"});
  CHECK(text.code == 0);
  for (const char* key :
       {"version", "compiler", "simd", "cpu", "threads", "memory", "cache", "curl", "terminal"}) {
    CAPTURE(key);
    CHECK(("\n" + text.out).find("\n" + std::string(key) + " ") != std::string::npos);
  }
  const ProcessResult r = unfold_program({"doctor", "--json"}, {"HOME", "XDG_CACHE_HOME", "PATH=/nowhere"});
  REQUIRE(r.code == 0);
  const auto json = nlohmann::json::parse(r.out);
  CHECK(json.at("threads").get<int>() >= 1);
  CHECK(json.at("memory").at("total_bytes").get<double>() > 0);
  CHECK(json.at("curl").is_null());
  CHECK(json.at("cache").is_null());
  CHECK(json.at("warnings").size() >= 1);
}

TEST_CASE("plain surroundings get plain text: no escape sequences, no carriage returns, only ASCII") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {"--help"}, {"doctor"}, {"im2col"}, {"im2col", "--help"}, {"nonsense"}}) {
    const ProcessResult r = unfold_program(arguments, {"LC_ALL=C", "LANG=C", "NO_COLOR=1", "TERM=dumb"});
    for (const std::string* text : {&r.out, &r.err}) {
      CHECK(std::all_of(text->begin(), text->end(),
                        [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
    }
    CHECK_FALSE((r.out + r.err).empty());
  }
}

TEST_CASE("a full disk behind standard output is an error, a closed pipe is not") {
  const std::string program = UNFOLD_PROGRAM;
  const ProcessResult full = run({"sh", "-c", "exec '" + program + "' im2col > /dev/full"});
  check_refused(full, 1, "cannot write to standard output", "disk");
  const ProcessResult closed =
      run({"sh", "-c", "'" + program + "' im2col --json --shape 1x1x300x300 | head -c 10"});
  CHECK(closed.code == 0);
  CHECK(closed.out == "{\"window\":");
  CHECK(closed.err.empty());
}

TEST_CASE("did_you_mean finds slips, beginnings and swaps, and keeps silent about the rest") {
  const std::vector<std::string> names = {"train", "eval", "predict", "summary", "im2col"};
  CHECK(did_you_mean("trian", names) == "train");
  CHECK(did_you_mean("TRAIN", names) == "train");
  CHECK(did_you_mean("sum", names) == "summary");
  CHECK(did_you_mean("predcit", names) == "predict");
  CHECK(did_you_mean("", names).empty());
  CHECK(did_you_mean("xyz", names).empty());
  CHECK(did_you_mean(std::string(1000, 'a'), names).empty());
}

TEST_CASE("no table is wider than its width, whatever its cells") {
  for (int width = 20; width <= 90; width += 7) {
    for (const int64_t columns : {0, 1, 2, 9, 40, 1000}) {
      for (const int64_t rows : {0, 1, 60}) {
        cli::Table table;
        table.rows = rows;
        table.columns = columns;
        table.corner = "c,kh,kw";
        table.cell = [](int64_t r, int64_t c) {
          return cli::number_text(-1.2345e-7 * static_cast<double>(r * c));
        };
        table.row_label = [](int64_t r) { return std::to_string(r) + ",0,0"; };
        table.column_label = [](int64_t c) { return "0/" + std::to_string(c) + ",12"; };
        CHECK(longest_line(cli::table_text(table, width)) <= static_cast<size_t>(width));
      }
    }
  }
}
