// The one exception type of the library: what happened, where, what was wanted, what was got, what to do.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace unfold {

/// Why something failed. The command line maps each kind to an exit code; the library itself never exits.
enum class ErrorKind {
  runtime,   ///< the machine or the file system refused (exit code 1)
  usage,     ///< an argument, a setting or a shape that cannot work (2)
  data,      ///< a data set or an image that cannot be read or used (3)
  model,     ///< a model file or checkpoint that cannot be read or used (4)
  diverged,  ///< NaN or Inf turned up while training (5)
  goal,      ///< a goal that was asked for was not met (6)
};

/// Throw as `throw Error(ErrorKind::data, "too few bytes").where(path).wanted("16").got("3").hint("...")`.
/// `what()` is one line: "WHERE: WHAT (wanted W, got G)"; the hint is kept apart.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string_view message) : kind_(kind), message_(message) { compose(); }

  Error&& where(std::string_view text) && { return std::move(set(where_, text)); }
  Error&& wanted(std::string_view text) && { return std::move(set(wanted_, text)); }
  Error&& got(std::string_view text) && { return std::move(set(got_, text)); }
  Error&& hint(std::string_view text) && { return std::move(set(hint_, text)); }

  ErrorKind kind() const { return kind_; }
  const std::string& hint() const { return hint_; }
  const char* what() const noexcept override { return line_.c_str(); }

 private:
  Error& set(std::string& field, std::string_view text);
  void compose();

  ErrorKind kind_;
  std::string message_, where_, wanted_, got_, hint_, line_;
};

}  // namespace unfold
