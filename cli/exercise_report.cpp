#include "cli/exercise_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <sstream>

#include "cli/exercise_mistakes.h"
#include "cli/table.h"

namespace unfold::cli {
namespace {

using End = ExerciseRun::End;

bool same_number(double wanted, double got) {
  return std::fabs(got - wanted) <= 1e-9 * std::max(1.0, std::fabs(wanted));  // false for NaN
}

std::optional<WrongCell> first_wrong(const Vectors& wanted, const Vectors& got, size_t which) {
  for (size_t r = 0; r < wanted.size(); ++r) {
    if (got[r].size() != wanted[r].size()) {
      return WrongCell{which, r, -1, static_cast<double>(wanted[r].size()),
                       static_cast<double>(got[r].size())};
    }
    for (size_t k = 0; k < got[r].size(); ++k) {
      if (!same_number(wanted[r][k], got[r][k])) {
        return WrongCell{which, r, static_cast<int64_t>(k), wanted[r][k], got[r][k]};
      }
    }
  }
  return std::nullopt;
}

/// Both numbers, with as many digits as it takes to tell them apart.
std::pair<std::string, std::string> told_apart(double wanted, double got) {
  std::pair<std::string, std::string> text{number_text(wanted), number_text(got)};
  if (text.first != text.second) return text;
  char a[40], b[40];
  std::snprintf(a, sizeof a, "%.17g", wanted);
  std::snprintf(b, sizeof b, "%.17g", got);
  return {a, b};
}

std::vector<std::string> lines_of_text(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// At most `most` lines, the first ones (or the last) of more, under a title.
std::string excerpt(const std::string& title, const std::vector<std::string>& lines, size_t most,
                    bool first) {
  if (lines.empty()) return "";
  std::string text = title + "\n";
  const size_t left_out = lines.size() - std::min(lines.size(), most);
  const auto begin = lines.begin() + static_cast<std::ptrdiff_t>(first ? 0 : left_out);
  if (left_out && !first) text += "  ... (" + std::to_string(left_out) + " lines before)\n";
  std::for_each(begin, begin + static_cast<std::ptrdiff_t>(lines.size() - left_out),
                [&](const std::string& line) { text += "  " + line + "\n"; });
  if (left_out && first) text += "  ... (" + std::to_string(left_out) + " more lines)\n";
  return text;
}

/// What a program printed, without the library's own words about a failed check: these are said in plainer
/// ones.
std::vector<std::string> printed_lines(const ExerciseRun& run) {
  std::vector<std::string> lines = lines_of_text(run.printed);
  std::erase_if(lines,
                [](const std::string& line) { return line.find(": Assertion '") != std::string::npos; });
  if (run.end == End::threw && !lines.empty()) lines.pop_back();
  return lines;
}

/// A matrix under its title, all lines of one length.
std::vector<std::string> block(const std::string& title, const MatrixPart& part,
                               std::function<std::string(int64_t row, int64_t column)> cell) {
  Table table;
  table.rows = part.rows, table.columns = part.columns;
  table.cell = std::move(cell);
  constexpr int kAnyWidth = 1000;
  std::vector<std::string> lines = lines_of_text(table_text(table, kAnyWidth));
  lines.insert(lines.begin(), "  " + title);
  size_t widest = 0;
  for (const std::string& line : lines) widest = std::max(widest, line.size());
  for (std::string& line : lines) line.resize(widest, ' ');
  return lines;
}

/// The blocks, each beside the one before or, where the lines are too short, below; one that is wider than
/// all is left out.
std::string side_by_side(const std::vector<std::vector<std::string>>& blocks, size_t width) {
  std::vector<std::string> rows;  // of the blocks that stand side by side
  std::string text;
  const auto flush = [&] {
    for (std::string& row : rows) {
      row.erase(row.find_last_not_of(' ') + 1);
      text += row + "\n";
    }
    rows.clear();
  };
  for (const auto& lines : blocks) {
    if (lines[0].size() > width) continue;
    if (!rows.empty() && rows[0].size() + 1 + lines[0].size() > width) flush();
    const std::string left(rows.empty() ? 0 : rows[0].size(), ' ');
    if (rows.size() < lines.size()) rows.resize(lines.size(), left);
    for (size_t k = 0; k < rows.size(); ++k) {
      rows[k] +=
          (left.empty() ? "" : " ") + (k < lines.size() ? lines[k] : std::string(lines[0].size(), ' '));
    }
  }
  flush();
  return text;
}

/// What cases have in common, as the end of "every wrong case has ...".
struct Trait {
  const char* text;
  bool (*holds)(const ExerciseSizes& s);
};
constexpr Trait kTraits[] = {
    {"a stride other than 1", [](const ExerciseSizes& s) { return s.stride != 1; }},
    {"padding", [](const ExerciseSizes& s) { return s.pad != 0; }},
    {"several images", [](const ExerciseSizes& s) { return s.n > 1; }},
    {"several channels", [](const ExerciseSizes& s) { return s.c > 1; }},
    {"a window that is not square", [](const ExerciseSizes& s) { return s.kh != s.kw; }},
    {"OH and OW that differ", [](const ExerciseSizes& s) { return s.oh != s.ow; }},
    {"windows that overlap", [](const ExerciseSizes& s) { return s.stride < std::max(s.kh, s.kw); }},
};

}  // namespace

ExerciseReport::ExerciseReport(const Exercise& exercise_, std::string file_, std::vector<ExerciseCase> cases_,
                               ExerciseRun run_)
    : exercise(exercise_), file(std::move(file_)), cases(std::move(cases_)), run(std::move(run_)) {
  for (const ExerciseCase& one : cases) wanted.push_back(wanted_results(exercise, one));
  bool zeros = !run.answers.empty();
  for (size_t k = 0; k < run.answers.size(); ++k) {
    const auto cell = first_wrong(wanted[k], run.answers[k], k);
    right.push_back(!cell);
    if (!wrong) wrong = cell;
    for (size_t r = 0; r < wanted[k].size(); ++r) {
      const std::vector<double>& values = run.answers[k][r];
      zeros = zeros && values.size() == wanted[k][r].size() &&
              std::all_of(values.begin(), values.end(), [](double v) { return v == 0; });
    }
  }
  written = !(zeros && wrong);
}

std::string ExerciseReport::verdict() const {
  switch (run.end) {
    case End::done:
      return !written ? "not written" : wrong ? "wrong" : "right";
    case End::not_compiled:
      return "not compiled";
    case End::too_long:
      return "too long";
    case End::crashed:
      return "crashed";
    case End::threw:
      return "threw";
    case End::left:
      return "left";
    case End::interrupted:
      break;
  }
  return "interrupted";
}

std::string ExerciseReport::case_name(size_t which) const {
  return "case " + std::to_string(which + 1) + " (" + cases[which].sizes.text(exercise.number == 4) + ")";
}

std::string ExerciseReport::text(int width) const {
  std::string text =
      "exercise " + std::to_string(exercise.number) + ", " + exercise.name + ": " + file + "\n";
  constexpr size_t kMostErrors = 40, kMostPrinted = 20;
  text += excerpt("the compiler says:", lines_of_text(run.compiler), kMostErrors, true);
  if (run.end == End::not_compiled) return text;
  text += excerpt("your program printed:", printed_lines(run), kMostPrinted, false);
  if (!written) return text;
  for (size_t k = 0; k < cases.size(); ++k) {
    std::string state = "not run";
    if (k < right.size()) state = right[k] ? "right" : "WRONG";
    if (k == right.size())
      state = run.end == End::too_long ? "ENDLESS" : run.end == End::crashed ? "CRASHED" : "ENDED";
    state.resize(8, ' ');
    text += "  " + std::to_string(k + 1) + "  " + state + cases[k].sizes.text(exercise.number == 4) + "\n";
  }
  const auto count = std::count(right.begin(), right.end(), true);
  if (passed()) return text + "all " + std::to_string(count) + " cases are right\n";
  text += std::to_string(count) + " of " + std::to_string(cases.size()) + " cases are right\n";
  if (run.end == End::done && written && wrong->at >= 0) text += matrices(width);
  return text;
}

/// Wanted, got and what was given, side by side as far as the lines fit; wrong cells in brackets.
std::string ExerciseReport::matrices(int width) const {
  const ExerciseSizes& s = cases[wrong->which].sizes;
  const MatrixPart part = part_with(exercise.results[wrong->result], s, wrong->at);
  const GivenPart given = given_for(exercise, s, wrong->at);
  constexpr int64_t kMostRows = 18, kMostColumns = 18;
  if (part.rows > kMostRows || part.columns > kMostColumns) return "";
  const auto number_of = [](const MatrixPart& m, int64_t row, int64_t column) {
    return static_cast<size_t>(m.first + row * m.columns + column);
  };
  const std::vector<double>& should = wanted[wrong->which][wrong->result];
  const std::vector<double>& is = run.answers[wrong->which][wrong->result];
  std::vector<std::vector<std::string>> blocks;
  blocks.push_back(block("wanted", part, [&](int64_t row, int64_t column) {
    return number_text(should[number_of(part, row, column)]) + " ";
  }));
  blocks.push_back(block("got (wrong in brackets)", part, [&](int64_t row, int64_t column) {
    const size_t k = number_of(part, row, column);
    const std::string number = number_text(is[k]);
    return same_number(should[k], is[k]) ? number + " " : "[" + number + "]";
  }));
  if (given.part.rows > 0) {
    const std::vector<double>& values = cases[wrong->which].in[given.vector];
    blocks.push_back(block("given: " + given.part.title, given.part, [&](int64_t row, int64_t column) {
      return number_text(values[number_of(given.part, row, column)]) + " ";
    }));
  }
  return "\n" + wrapped(part.title + " in " + case_name(wrong->which), width) +
         side_by_side(blocks, static_cast<size_t>(width)) + "\n";
}

std::string ExerciseReport::hint() const {
  if (wrong->at < 0) return "leave the length as the empty file has it";
  bool same_lengths = true;
  for (size_t k = 0; k < run.answers.size(); ++k) {
    same_lengths = same_lengths && run.answers[k][wrong->result].size() == wanted[k][wrong->result].size();
  }
  if (same_lengths) {
    const Mistake mistake = recognise(exercise, cases, run.answers, wrong->which, wrong->result);
    if (mistake != Mistake::none) return advice(exercise, mistake);
  }
  const Trait* best = nullptr;
  std::ptrdiff_t fewest =
      std::count(right.begin(), right.end(), true);  // right cases that have the trait too
  for (const Trait& trait : kTraits) {
    bool all = true;
    std::ptrdiff_t others = 0;
    for (size_t k = 0; k < right.size(); ++k) {
      const bool holds = trait.holds(cases[k].sizes);
      all = all && (holds || right[k]);
      others += holds && right[k];
    }
    if (all && others < fewest) best = &trait, fewest = others;
  }
  if (best) return "every wrong case has " + std::string(best->text) + ", so look at that first";
  const ExerciseSizes& s = cases[wrong->which].sizes;
  std::ostringstream command;
  command << "go through this cell by hand; unfold im2col --shape " << s.n << 'x' << s.c << 'x' << s.h << 'x'
          << s.w << " --kernel " << s.kh << 'x' << s.kw << " --stride " << s.stride << " --pad " << s.pad
          << " shows what lies where";
  return command.str();
}

Error ExerciseReport::error() const {
  const auto goal = [&](const std::string& what) { return Error(ErrorKind::goal, what); };
  const std::string where = run.line > 0 ? file + ":" + std::to_string(run.line) : file;
  const std::string in = right.size() < cases.size() ? " in " + case_name(right.size()) : "";
  switch (run.end) {
    case End::not_compiled: {
      const std::vector<std::string> lines = lines_of_text(run.compiler);
      if (run.compiler.find("undefined reference") != std::string::npos) {
        return goal("the program has no function of the wanted name and parameters")
            .where(where)
            .hint("leave the function's first line as it is in the empty file; 'unfold exercise " +
                  std::to_string(exercise.number) + "' writes a new one");
      }
      const auto first = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
        return line.find("error: ") != std::string::npos;
      });
      return goal("it does not compile")
          .where(where)
          .hint("begin with the first error" + (first == lines.end() ? "" : ": " + *first));
    }
    case End::too_long:
      return goal("it did not come to an end" + in)
          .where(where)
          .hint(
              "does every loop end? Look at what each counts and compares; --limit SECONDS gives more time");
    case End::crashed: {
      const bool index = run.printed.find("Assertion '__n < this->size()' failed") != std::string::npos;
      return goal("it crashed" + in + ": " +
                  (index ? "an index beyond the end of a vector" : signal_name(run.signal)))
          .where(where)
          .hint(index
                    ? "work out the largest index by hand: an index below 0 counts as a very large one"
                    : "is every index inside its vector, is there a division by 0, does every call return?");
    }
    case End::threw:
      return goal("it threw an exception" + in + ": " + run.exception)
          .where(where)
          .hint("a size below 0 or far too large is the usual reason");
    case End::left:
      return goal("it ended the program" + in)
          .where(where)
          .hint("return what the function computes; do not call exit");
    case End::done:
    case End::interrupted:
      break;
  }
  const Result& result = exercise.results[wrong->result];
  const ExerciseSizes& s = cases[wrong->which].sizes;
  if (!written) {
    return goal("not written yet: every number that comes back is 0")
        .where(where)
        .hint("write the body where the file says 'Your part', then run this again");
  }
  if (wrong->at < 0) {
    return goal("the wrong length in " + case_name(wrong->which))
        .where(result.name)
        .wanted(number_text(wrong->wanted))
        .got(number_text(wrong->got))
        .hint(hint());
  }
  const auto [should, is] = told_apart(wrong->wanted, wrong->got);
  return goal("wrong in case " + std::to_string(wrong->which + 1))
      .where(place_text(result, s, wrong->at))
      .wanted(should)
      .got(is)
      .hint(hint());
}

nlohmann::ordered_json ExerciseReport::json() const {
  nlohmann::ordered_json out = {
      {"exercise", exercise.number}, {"name", exercise.name},    {"file", file},
      {"verdict", verdict()},        {"compiler", run.compiler}, {"printed", run.printed}};
  if (run.signal != 0) out["signal"] = run.signal;
  if (run.line > 0) out["line"] = run.line;
  out["cases"] = nlohmann::ordered_json::array();
  for (size_t k = 0; k < cases.size(); ++k) {
    nlohmann::ordered_json one = {{"case", cases[k].sizes.text(exercise.number == 4)}};
    one["right"] = k < right.size() ? nlohmann::ordered_json(bool(right[k])) : nlohmann::ordered_json();
    out["cases"].push_back(std::move(one));
  }
  if (wrong) {
    const Result& result = exercise.results[wrong->result];
    const ExerciseSizes& s = cases[wrong->which].sizes;
    out["first_wrong"] = {{"case", wrong->which + 1}, {"result", result.name}, {"index", wrong->at}};
    if (wrong->at >= 0) out["first_wrong"]["place"] = place_text(result, s, wrong->at);
    out["first_wrong"]["wanted"] = wrong->wanted;
    out["first_wrong"]["got"] = wrong->got;  // null for NaN
  }
  if (!passed()) out["hint"] = error().hint();
  return out;
}

}  // namespace unfold::cli
