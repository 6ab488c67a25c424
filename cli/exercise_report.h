// What is said about a student's program: which cases are right, the first wrong cell, and why.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/exercise_run.h"
#include "unfold/error.h"

namespace unfold::cli {

/// The first number that is not what it should be.
struct WrongCell {
  size_t which = 0, result = 0;  ///< case, and which of its results
  int64_t at = -1;               ///< number in the result; -1: the result has the wrong length
  double wanted = 0, got = 0;    ///< the numbers, or the two lengths
};

/// A run judged.
struct ExerciseReport {
  ExerciseReport(const Exercise& exercise, std::string file, std::vector<ExerciseCase> cases,
                 ExerciseRun run);

  const Exercise& exercise;
  std::string file;
  std::vector<ExerciseCase> cases;
  ExerciseRun run;
  std::vector<Vectors> wanted;
  std::vector<bool> right;         ///< of the cases that were answered
  std::optional<WrongCell> wrong;  ///< none where all that were answered are right
  bool written = true;             ///< false: every number that came back is 0

  bool passed() const { return run.end == ExerciseRun::End::done && !wrong; }
  /// "right", "wrong", "not written", "not compiled", "too long", "crashed", "threw", "left".
  std::string verdict() const;
  /// The lines for people: what the compiler and the program said, the cases, the matrices with the first
  /// wrong cell. None longer than `width` but those of compiler and program.
  std::string text(int width) const;
  nlohmann::ordered_json json() const;
  /// What is wrong, to be thrown; passed() is false.
  Error error() const;

 private:
  std::string case_name(size_t which) const;
  std::string hint() const;
  std::string matrices(int width) const;
};

}  // namespace unfold::cli
