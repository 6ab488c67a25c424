// A student's file compiled and run: by the machine's compiler, as a process of its own, within a time.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/exercise_cases.h"

namespace unfold::cli {

struct ExerciseRun {
  enum class End {
    done,          ///< all cases came to an end
    not_compiled,  ///< `compiler` says why
    too_long,      ///< stopped in case number answers.size()
    crashed,       ///< by `signal` there
    threw,         ///< an exception there; `exception` is its text
    left,          ///< it called exit there
    interrupted,   ///< by Ctrl-C or SIGTERM
  };
  End end = End::done;
  std::string compiler;          ///< errors and warnings, the file named as the user named it
  std::string printed;           ///< the end of what the student's program printed
  std::vector<Vectors> answers;  ///< of the cases that came to an end
  int signal = 0;
  std::string exception;
  int line = 0;  ///< of the student's file, where a crash happened; 0: not known
};

/// Compiles `file` with what $CXX says, else c++, g++ or clang++ and the program's runner, and runs it on the
/// cases for at most `seconds`. All it makes lies in a temporary folder that is gone afterwards. No shell is
/// involved. Throws runtime if there is no compiler or no room for temporary files.
ExerciseRun run_exercise_file(const Exercise& exercise, const std::filesystem::path& file,
                              const std::vector<ExerciseCase>& cases, int seconds);

/// "SIGSEGV" and what it means.
std::string signal_name(int signal);

}  // namespace unfold::cli
