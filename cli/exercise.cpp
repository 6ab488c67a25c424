// unfold exercise: five functions to write, and what is wrong with them.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/exercise_files.h"
#include "cli/exercise_report.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "unfold/files.h"
#include "unfold/suggest.h"

namespace unfold::cli {
namespace {

struct ExerciseFlags {
  std::string which, file;
  int limit = 10;
  bool json = false;
};

/// By number or by name.
const Exercise& exercise_of(const std::string& word) {
  std::vector<std::string> names;
  for (const Exercise& one : exercises()) {
    if (word == std::to_string(one.number) || word == one.name) return one;
    names.emplace_back(one.name);
  }
  if (word.ends_with(".cpp")) {
    for (const Exercise& one : exercises()) {
      if (!std::filesystem::path(word).filename().string().starts_with(std::to_string(one.number))) continue;
      throw Error(ErrorKind::usage, "the number of the exercise comes before the file")
          .where(word)
          .hint("unfold exercise " + std::to_string(one.number) + " " + word);
    }
  }
  if (!word.empty() && std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    throw Error(ErrorKind::usage, "there is no exercise " + word)
        .wanted("1 to " + std::to_string(exercises().size()))
        .hint("'unfold exercise' lists them");
  }
  throw unknown_name("exercise", word, names);
}

int list_exercises(bool json) {
  if (json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Exercise& one : exercises()) {
      list.push_back(
          {{"exercise", one.number}, {"name", one.name}, {"title", one.title}, {"file", one.file}});
    }
    std::cout << list.dump() << '\n';
    return kOk;
  }
  std::cout << "Write the body of a function, and see what is wrong with it:\n\n";
  for (const Exercise& one : exercises()) {
    std::string name = one.name;
    name.resize(19, ' ');
    std::cout << "  " << one.number << "  " << name << one.title << '\n';
  }
  std::cout << "\nunfold exercise 1                      writes an empty 1_get_indices.cpp here\n"
               "unfold exercise 1 1_get_indices.cpp    compiles it, runs it, compares\n";
  return kOk;
}

int copy_exercise(const Exercise& exercise, bool json) {
  const std::string number = std::to_string(exercise.number), file = exercise.file;
  if (std::filesystem::exists(std::filesystem::symlink_status(file))) {
    throw Error(ErrorKind::usage, "this file is there already, and stays as it is")
        .where(file)
        .hint("to check it: unfold exercise " + number + " " + file +
              "; for an empty one go to another folder");
  }
  const auto files = exercise_files();
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const EmbeddedFile& one) { return one.name == file; });
  if (found == files.end()) throw Error(ErrorKind::runtime, "built without the exercise's file").where(file);
  write_file(file, found->text);
  if (json) {
    std::cout << nlohmann::ordered_json{{"exercise", exercise.number}, {"file", file}}.dump() << '\n';
    return kOk;
  }
  std::cout << "wrote " << file << ": " << exercise.title
            << "\nThe task stands in it. Write the body, then: unfold exercise " << number << ' ' << file
            << '\n';
  return kOk;
}

int check_exercise(const Exercise& exercise, const ExerciseFlags& o, const Global& global) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(o.file, ignored)) {
    throw Error(ErrorKind::usage, "there is no such file")
        .where(o.file)
        .hint("'unfold exercise " + std::to_string(exercise.number) + "' writes " + exercise.file +
              " to start from");
  }
  std::vector<ExerciseCase> cases = exercise_cases(exercise);
  ExerciseRun run = run_exercise_file(exercise, o.file, cases, o.limit);
  if (run.end == ExerciseRun::End::interrupted) return kInterrupted;
  const ExerciseReport report(exercise, o.file, std::move(cases), std::move(run));
  if (o.json) {
    std::cout << report.json().dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
  } else if (!global.quiet) {
    std::cout << report.text(terminal_width());
  }
  if (!report.passed()) throw report.error();
  const auto next = static_cast<size_t>(exercise.number);  // counted from 1, the next one's place from 0
  if (!o.json && !global.quiet && next < exercises().size()) {
    std::cout << "next: unfold exercise " << next + 1 << " (" << exercises()[next].title << ")\n";
  }
  return kOk;
}

int run_exercise(const ExerciseFlags& o, const Global& global) {
  if (o.which.empty()) return list_exercises(o.json);
  const Exercise& exercise = exercise_of(o.which);
  return o.file.empty() ? copy_exercise(exercise, o.json) : check_exercise(exercise, o, global);
}

}  // namespace

void add_exercise(CLI::App& app, Global& global) {
  auto o = std::make_shared<ExerciseFlags>();
  CLI::App* c =
      app.add_subcommand("exercise", "Write im2col and its kin yourself, and see the first wrong cell");
  c->add_option("N", o->which, "1 to 5, or the exercise's name; without a file: writes the empty one here");
  c->add_option("FILE.cpp", o->file,
                "Your file: compiled, run on small cases, compared with the naive loops");
  c->add_option("--limit", o->limit, "Seconds it may run; default 10")->check(CLI::Range(1, 3600));
  c->add_flag("--json", o->json, "One JSON object on stdout");
  c->footer(
      "Examples:\n  unfold exercise\n  unfold exercise 2\n  unfold exercise 2 2_im2col.cpp\n\n"
      "The compiler is $CXX, else c++, g++ or clang++. Ends with code 6 until all cases are right.");
  on_run(c, global, [o, &global] { return run_exercise(*o, global); });
}

}  // namespace unfold::cli
