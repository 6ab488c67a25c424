#include "cli/progress.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <ostream>
#include <span>
#include <vector>

namespace unfold::cli {
namespace {

constexpr size_t kMinBar = 9, kMaxBar = 32;  // columns, brackets included

// std::to_chars, not printf: a decimal point in every locale.
std::string number(double value, std::chars_format format, int digits) {
  std::array<char, 512> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value, format, digits).ptr};
}

std::string fixed(double value, int digits) {
  return number(value, std::chars_format::fixed, digits);
}

/// "1.0e-3": printf's exponent without its leading zero.
std::string scientific(double value) {
  std::string text = number(value, std::chars_format::scientific, 1);
  if (const size_t at = text.find_first_of("+-", 1); at != std::string::npos && text[at + 1] == '0') {
    text.erase(at + 1, 1);
  }
  return text;
}

/// Never wider than 8 columns while it is a loss: four decimals, or an exponent where it is huge.
std::string loss(double value) {
  return std::abs(value) < 1000 ? fixed(value, 4) : scientific(value);
}

std::string percent(double share) {
  return fixed(100 * share, 2) + '%';
}

std::string two_digits(int64_t n) {
  return (n < 10 ? "0" : "") + std::to_string(n);
}

/// "1.9s", "42s", "3m07s", "2h05m", "4d03h".
std::string duration(double seconds) {
  if (!(seconds >= 0)) seconds = 0;
  if (seconds < 9.95) return fixed(seconds, 1) + 's';
  const auto s = static_cast<int64_t>(std::llround(std::min(seconds, 1e12)));
  if (s < 60) return std::to_string(s) + 's';
  if (s < 3600) return std::to_string(s / 60) + 'm' + two_digits(s % 60) + 's';
  if (s < 86400) return std::to_string(s / 3600) + 'h' + two_digits(s / 60 % 60) + 'm';
  return std::to_string(s / 86400) + 'd' + two_digits(s / 3600 % 24) + 'h';
}

/// "870 img/s", "31.9k img/s", "1.2M img/s".
std::string rate(double per_second) {
  if (per_second < 9.95) return fixed(per_second, 1) + " img/s";
  if (per_second < 999.5) return fixed(per_second, 0) + " img/s";
  if (per_second < 999950) return fixed(per_second / 1e3, 1) + "k img/s";
  return fixed(per_second / 1e6, 1) + "M img/s";
}

std::string out_of(int64_t part, int64_t whole) {
  return whole > 0 ? std::to_string(part) + '/' + std::to_string(whole) : std::to_string(part);
}

std::string bar(int64_t step, int64_t steps, size_t columns) {
  const size_t inner = columns - 2;
  const double share =
      steps > 0 ? std::clamp(static_cast<double>(step) / static_cast<double>(steps), 0.0, 1.0) : 0;
  const auto full = static_cast<size_t>(share * static_cast<double>(inner));
  std::string text(inner, ' ');
  std::fill_n(text.begin(), full, '=');
  if (full < inner) text[full] = '>';
  return '[' + text + ']';
}

/// A part of a line; the lowest rank is kept longest.
struct Field {
  int rank;
  std::string text;
};

size_t limit_of(int width) {
  return width <= 0 ? std::numeric_limits<size_t>::max() : static_cast<size_t>(width - 1);
}

/// Empties the fields that do not fit into `limit` columns beside those of lower rank; returns the columns
/// taken. The field of rank 0 is cut rather than dropped.
size_t fit(std::span<Field> fields, size_t limit) {
  std::vector<Field*> by_rank;
  for (Field& field : fields) by_rank.push_back(&field);
  std::stable_sort(by_rank.begin(), by_rank.end(), [](auto* a, auto* b) { return a->rank < b->rank; });
  size_t taken = 0;
  for (Field* field : by_rank) {
    if (field->text.empty()) continue;
    if (field->rank == 0 && field->text.size() > limit) {
      field->text.resize(limit);
      field->text.erase(field->text.find_last_not_of(' ') + 1);
    }
    const size_t wanted = field->text.size() + (taken > 0 ? 2 : 0);
    if (taken + wanted <= limit) {
      taken += wanted;
    } else {
      field->text.clear();
    }
  }
  return taken;
}

std::string join(std::span<const Field> fields) {
  std::string line;
  for (const Field& field : fields) {
    if (!field.text.empty()) line += (line.empty() ? "" : "  ") + field.text;
  }
  return line;
}

std::string labelled(const char* label, double value, std::string (*text)(double)) {
  return std::isnan(value) ? "" : label + text(value);
}

std::string elapsed_and_left(const ProgressState& state) {
  if (state.step <= 0 || state.steps <= 0) return duration(state.seconds);
  const auto done = static_cast<double>(state.step);
  const double left =
      state.seconds / done * static_cast<double>(std::max<int64_t>(state.steps - state.step, 0));
  return duration(state.seconds) + '<' + duration(left);
}

std::string progress_line(const ProgressState& state, int width, bool with_bar) {
  std::array fields = {
      Field{0, state.phase + ' ' + out_of(state.epoch, state.epochs)},
      Field{1, with_bar ? bar(state.step, state.steps, kMinBar) : ""},
      Field{2, out_of(state.step, state.steps)},
      Field{4, elapsed_and_left(state)},
      Field{6, labelled("", state.images_per_s, rate)},
      Field{3, labelled("loss ", state.loss, loss)},
      Field{5, labelled("acc ", state.acc, percent)},
      Field{7, labelled("lr ", state.lr, scientific)},
  };
  const size_t limit = limit_of(width);
  const size_t taken = fit(fields, limit);
  // The bar takes what is left, up to its full length.
  if (!fields[1].text.empty()) {
    fields[1].text = bar(state.step, state.steps, kMinBar + std::min(limit - taken, kMaxBar - kMinBar));
  }
  return join(fields);
}

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::optional<ProgressMode> progress_mode(std::string_view name) {
  if (name == "auto") return ProgressMode::automatic;
  if (name == "bar") return ProgressMode::bar;
  if (name == "plain") return ProgressMode::plain;
  if (name == "none") return ProgressMode::none;
  return std::nullopt;
}

ProgressMode resolve(ProgressMode mode, bool terminal, std::string_view term) {
  if (mode != ProgressMode::automatic) return mode;
  return terminal && !term.empty() && term != "dumb" ? ProgressMode::bar : ProgressMode::plain;
}

std::string bar_line(const ProgressState& state, int width) {
  return progress_line(state, width, true);
}
std::string step_line(const ProgressState& state, int width) {
  return progress_line(state, width, false);
}

std::string epoch_line(const EpochRow& row, int64_t total, bool best, int width) {
  const bool validated = !std::isnan(row.val_loss) || !std::isnan(row.val_acc);
  const std::string star = best ? " *best" : "";
  // The star stands behind the last metric there is; that metric is the one kept longest.
  std::array fields = {
      Field{0, "epoch " + out_of(row.epoch, total)},
      Field{2, labelled("loss ", row.train_loss, loss)},
      Field{validated ? 5 : 1, labelled("acc ", row.train_acc, percent) + (validated ? "" : star)},
      Field{4, labelled("val_loss ", row.val_loss, loss)},
      Field{1, validated ? labelled("val_acc ", row.val_acc, percent) + star : ""},
      Field{3, std::isnan(row.seconds) ? ""
               : row.seconds < 9.95    ? fixed(row.seconds, 1) + " s"
                                       : duration(row.seconds)},
      Field{6, labelled("", row.images_per_s, rate)},
      Field{7, labelled("lr ", row.lr, scientific)},
  };
  fit(fields, limit_of(width));
  return join(fields);
}

Progress::Progress(std::ostream& out, ProgressOptions options) : out_(out), options_(std::move(options)) {
  if (!options_.clock) options_.clock = steady_seconds;
}

Progress::~Progress() {
  erase();
}

size_t Progress::on_screen() const {
  return std::min(drawn_, limit_of(width()));
}

void Progress::erase() {
  if (drawn_ == 0) return;
  // Blanks instead of "erase to end of line": understood by every terminal that knows a carriage return.
  out_ << '\r' << std::string(on_screen(), ' ') << '\r' << std::flush;
  drawn_ = 0;
}

void Progress::line(std::string_view text) {
  if (options_.mode == ProgressMode::none) return;
  erase();
  out_ << text << '\n' << std::flush;
  last_ = options_.clock();
}

void Progress::update(const ProgressState& state) {
  if (options_.mode == ProgressMode::none) return;
  const double now = options_.clock();
  if (options_.mode == ProgressMode::bar) {
    if (drawn_ > 0 && now - last_ < kRedraw) return;
    const std::string text = bar_line(state, width());
    out_ << '\r' << text << std::string(std::max(on_screen(), text.size()) - text.size(), ' ') << std::flush;
    drawn_ = text.size();
    last_ = now;
  } else if (now - last_ > kHeartbeat) {
    line(step_line(state, width()));
  }
}

void Progress::epoch(const EpochRow& row, int64_t total, bool best) {
  std::string text = epoch_line(row, total, best, width());
  constexpr std::string_view kStar = "*best";
  if (const size_t at = text.find(kStar);
      options_.mode == ProgressMode::bar && options_.colour && at != std::string::npos) {
    text.replace(at, kStar.size(), "\x1b[1;32m*best\x1b[0m");
  }
  line(text);
}

}  // namespace unfold::cli
