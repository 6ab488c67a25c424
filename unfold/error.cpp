#include "unfold/error.h"

namespace unfold {

Error& Error::set(std::string& field, std::string_view text) {
  field = text;
  compose();
  return *this;
}

void Error::compose() {
  line_ = where_.empty() ? message_ : where_ + ": " + message_;
  std::string detail;
  if (!wanted_.empty()) detail = "wanted " + wanted_;
  if (!got_.empty()) detail += (detail.empty() ? "got " : ", got ") + got_;
  if (!detail.empty()) line_ += " (" + detail + ")";
}

}  // namespace unfold
