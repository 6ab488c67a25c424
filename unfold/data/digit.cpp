#include "unfold/data/digit.h"

#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "unfold/data/ink.h"
#include "unfold/error.h"

namespace unfold {
namespace {

using ink::Ink;
using ink::Plane;

constexpr int64_t kSide = DigitView::kSide;
constexpr int64_t kDigit = 20;   // the longer side of a digit of MNIST
constexpr double kFaint = 0.35;  // mean amount of ink below which a photograph may show something else

/// Pixels that hang together.
struct Piece {
  int64_t x0 = 0, y0 = 0, x1 = 0, y1 = 0;  // first and behind the last
  int64_t area = 0;
  double mass = 0;  // ink in it
  bool at_rim = false;

  int64_t w() const { return x1 - x0; }
  int64_t h() const { return y1 - y0; }
  int64_t side() const { return std::max(w(), h()); }
  double mean() const { return mass / static_cast<double>(area); }
};

/// All pieces of ink; labels (H, W) says which one a pixel belongs to, -1 for paper.
std::vector<Piece> find_pieces(const Ink& ink, std::vector<int32_t>& labels) {
  const Plane& amount = ink.amount;
  labels.assign(amount.v.size(), -1);
  std::vector<Piece> pieces;
  std::vector<int64_t> open;
  for (int64_t start = 0; start < static_cast<int64_t>(amount.v.size()); ++start) {
    const auto is_new = [&](int64_t i) {
      return amount.v[static_cast<size_t>(i)] > ink.threshold && labels[static_cast<size_t>(i)] < 0;
    };
    if (!is_new(start)) continue;
    const auto label = static_cast<int32_t>(pieces.size());
    Piece piece{amount.w, amount.h, 0, 0};
    labels[static_cast<size_t>(start)] = label;
    open.assign(1, start);
    while (!open.empty()) {
      const int64_t y = open.back() / amount.w, x = open.back() % amount.w;
      open.pop_back();
      piece.x0 = std::min(piece.x0, x);
      piece.y0 = std::min(piece.y0, y);
      piece.x1 = std::max(piece.x1, x + 1);
      piece.y1 = std::max(piece.y1, y + 1);
      piece.area += 1;
      piece.mass += amount.at(y, x);
      for (int64_t ny = y - 1; ny <= y + 1; ++ny) {
        for (int64_t nx = x - 1; nx <= x + 1; ++nx) {
          if (!amount.inside(ny, nx) || !is_new(ny * amount.w + nx)) continue;
          labels[static_cast<size_t>(ny * amount.w + nx)] = label;
          open.push_back(ny * amount.w + nx);
        }
      }
    }
    piece.at_rim = piece.x0 == 0 || piece.y0 == 0 || piece.x1 == amount.w || piece.y1 == amount.h;
    pieces.push_back(piece);
  }
  return pieces;
}

/// Whether a photograph shows this piece at its rim and so faintly that it is a shadow or the rest of a ruled
/// line rather than a digit.
bool is_shadow(const Piece& p, const Ink& ink) {
  return ink.photo && p.at_rim && p.mean() < kFaint;
}

/// Whether a photograph's piece is hardly more than the paper's grain, or one of many faint ones of all
/// sizes, as grain and the rests of lines are: then those at least half as large are only a part of all.
bool is_grain(const Piece& digit, const std::vector<Piece>& pieces, const Ink& ink) {
  if (!ink.photo || digit.mean() > std::max(kFaint, 7.5 * ink.noise)) return false;
  double all = 0, large = 0;
  for (const Piece& p : pieces) {
    if (is_shadow(p, ink)) continue;
    all += p.mass;
    if (2 * p.side() >= digit.side()) large += p.mass;
  }
  const double wanted = digit.mean() < 7.5 * ink.noise ? 0.8 : 0.45;
  return digit.mean() < 5 * ink.noise || large < wanted * all;
}

/// How much two ranges overlap (negative: how far they are apart).
int64_t overlap(int64_t a0, int64_t a1, int64_t b0, int64_t b1) {
  return std::min(a1, b1) - std::max(a0, b0);
}

/// Which pieces are the digit, and whether there is more than one.
struct Choice {
  std::vector<bool> chosen;  // a piece
  Piece whole;               // all of them together
  bool several = false;
};

/// Picks the digit out of the pieces; nothing if none of them can be one.
std::optional<Choice> choose(const std::vector<Piece>& pieces, const Ink& ink) {
  const Plane& amount = ink.amount;
  const auto longer = static_cast<double>(std::max(amount.w, amount.h));
  // The digit is the piece with most ink; what hangs on the rim is more likely a shadow or the table.
  const auto score = [&](const Piece& p) {
    const double cx = (static_cast<double>(p.x0 + p.x1) / static_cast<double>(amount.w)) - 1;
    const double cy = (static_cast<double>(p.y0 + p.y1) / static_cast<double>(amount.h)) - 1;
    return p.mass * (p.at_rim ? 0.1 : 1.0) * (1.3 - 0.5 * (cx * cx + cy * cy) / 2);
  };
  size_t main = pieces.size();
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (static_cast<double>(pieces[i].side()) < 0.03 * longer || pieces[i].side() < 3) continue;  // a speck
    if (is_shadow(pieces[i], ink)) continue;
    if (main == pieces.size() || score(pieces[i]) > score(pieces[main])) main = i;
  }
  if (main == pieces.size()) return std::nullopt;

  Choice choice{std::vector<bool>(pieces.size(), false), pieces[main]};
  choice.chosen[main] = true;
  Piece& whole = choice.whole;
  const double main_mass = whole.mass;
  for (bool grown = true; grown;) {
    grown = false;
    for (size_t i = 0; i < pieces.size(); ++i) {
      const Piece& p = pieces[i];
      if (choice.chosen[i] || (p.at_rim && !pieces[main].at_rim)) continue;
      const auto side = static_cast<double>(whole.side());
      if (static_cast<double>(p.side()) < 0.08 * side) continue;  // a speck
      const auto beside = static_cast<double>(-overlap(whole.x0, whole.x1, p.x0, p.x1));
      const auto under = static_cast<double>(-overlap(whole.y0, whole.y1, p.y0, p.y1));
      const double gap = std::hypot(std::max(beside, 0.0), std::max(under, 0.0));
      const bool large =
          static_cast<double>(p.h()) > 0.55 * static_cast<double>(whole.h()) && p.mass > 0.15 * main_mass;
      // The bar of a 5 stands over its body: near, and not as tall. Two strokes of a 4 nearly touch.
      const double allowed = large ? 0.07 * side : beside > 0 ? 0.12 * side : 0.25 * side;
      if (gap > allowed) continue;
      choice.chosen[i] = true;
      grown = true;
      whole.x0 = std::min(whole.x0, p.x0);
      whole.y0 = std::min(whole.y0, p.y0);
      whole.x1 = std::max(whole.x1, p.x1);
      whole.y1 = std::max(whole.y1, p.y1);
      whole.area += p.area;
      whole.mass += p.mass;
    }
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece& p = pieces[i];
    if (choice.chosen[i] || p.at_rim) continue;
    // As black as the digit, or not much less of it: a second one may be written with a much thinner stroke.
    const bool as_black = p.mean() > 0.6 * whole.mean() && p.mass > 0.04 * whole.mass;
    if (static_cast<double>(p.side()) > 0.5 * static_cast<double>(whole.side()) &&
        (as_black || p.mass > 0.2 * whole.mass)) {
      choice.several = true;
    }
  }
  if (is_grain(whole, pieces, ink)) return std::nullopt;
  // No digit is that broad: two that touch, or a word.
  if (static_cast<double>(whole.w()) > 1.9 * static_cast<double>(whole.h())) choice.several = true;
  return choice;
}

/// The ink of the chosen pieces, 0 to 1, cut out with its soft edges; whole is widened by them.
Plane cut_out(const Ink& ink, const std::vector<int32_t>& labels, const Choice& choice, Piece& whole) {
  const Plane& amount = ink.amount;
  const auto is_digit = [&](int64_t y, int64_t x) {
    if (!amount.inside(y, x)) return false;
    const int32_t label = labels[static_cast<size_t>(y * amount.w + x)];
    return label >= 0 && choice.chosen[static_cast<size_t>(label)];
  };
  // In a small picture the soft edge of a stroke is a good part of it, in a large one it is blur.
  const int64_t edge = whole.side() <= 32 ? 2 : whole.side() <= 80 ? 1 : 0;
  const float least = std::max(0.02f, 4 * ink.noise);
  const int64_t x0 = whole.x0 - 2, y0 = whole.y0 - 2;
  Plane out(whole.w() + 4, whole.h() + 4);
  Piece wider = whole;
  for (int64_t y = 0; y < out.h; ++y) {
    for (int64_t x = 0; x < out.w; ++x) {
      if (!amount.inside(y + y0, x + x0)) continue;
      bool near = is_digit(y + y0, x + x0);
      for (int64_t i = -2; i <= 2 && !near; ++i) {
        for (int64_t j = -2; j <= 2 && !near; ++j) near = is_digit(y + y0 + i, x + x0 + j);
      }
      if (!near) continue;
      const float v = amount.at(y + y0, x + x0);
      if (v < least) continue;
      out.at(y, x) = std::min(v / ink.peak, 1.f);
      wider.x0 = std::clamp(x + x0, whole.x0 - edge, wider.x0);
      wider.y0 = std::clamp(y + y0, whole.y0 - edge, wider.y0);
      wider.x1 = std::clamp(x + x0 + 1, wider.x1, whole.x1 + edge);
      wider.y1 = std::clamp(y + y0 + 1, wider.y1, whole.y1 + edge);
    }
  }
  Plane digit(wider.w(), wider.h());
  for (int64_t y = 0; y < digit.h; ++y) {
    for (int64_t x = 0; x < digit.w; ++x) digit.at(y, x) = out.at(y + wider.y0 - y0, x + wider.x0 - x0);
  }
  whole = wider;
  return digit;
}

/// Mean width of the strokes: twice the area over the outline.
double stroke_width(const Plane& plane) {
  double area = 0, outline = 0;
  for (int64_t y = 0; y <= plane.h; ++y) {
    for (int64_t x = 0; x <= plane.w; ++x) {
      const auto is = [&](int64_t i, int64_t j) { return plane.inside(i, j) && plane.at(i, j) > 0.5f; };
      area += is(y, x);
      outline += (is(y, x) != is(y, x - 1)) + (is(y, x) != is(y - 1, x));
    }
  }
  constexpr double kSteps = 0.785;  // pi / 4: steps along the grid are longer than the line they follow
  return outline > 0 ? 2 * area / (outline * kSteps) : 0;
}

/// Every value becomes the largest within the radius; the plane grows by it on all sides.
Plane thickened(const Plane& plane, double radius) {
  const auto reach = static_cast<int64_t>(radius);
  Plane out(plane.w + 2 * reach, plane.h + 2 * reach);
  for (int64_t i = -reach; i <= reach; ++i) {
    for (int64_t j = -reach; j <= reach; ++j) {
      if (static_cast<double>(i * i + j * j) > radius * radius) continue;
      for (int64_t y = 0; y < plane.h; ++y) {
        for (int64_t x = 0; x < plane.w; ++x) {
          float& v = out.at(y + reach + i, x + reach + j);
          v = std::max(v, plane.at(y, x));
        }
      }
    }
  }
  return out;
}

/// The sides of a plane scaled so that the longer one is `side`.
std::pair<int64_t, int64_t> scaled_size(const Plane& plane, int64_t side) {
  const auto longer = static_cast<double>(std::max(plane.w, plane.h));
  const auto scale = [&](int64_t size) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(size) * static_cast<double>(side) / longer));
  };
  return {scale(plane.w), scale(plane.h)};
}

/// The digit as MNIST draws it: strokes of at least two pixels, the longer side 20.
Plane redrawn(const Plane& digit) {
  constexpr int64_t kFine = 8;  // strokes are widened in steps of an eighth of a pixel
  constexpr double kThin = 2.0, kWanted = 2.4;
  const auto [fine_w, fine_h] = scaled_size(digit, kDigit * kFine);
  Plane fine = ink::resized(digit, fine_w, fine_h);
  const double width = stroke_width(fine) / kFine;
  if (width < kThin) fine = thickened(fine, (kWanted - width) / 2 * kFine);
  const auto [w, h] = scaled_size(fine, kDigit);
  return ink::resized(fine, w, h);
}

/// Places the digit with its centre of mass in the pixel below and right of the middle, where MNIST has it
/// (28 / 2 to 28 / 2 + 1), as far as it stays inside.
std::vector<uint8_t> centred(const Plane& digit) {
  double mass = 0, sum_y = 0, sum_x = 0;
  float most = 0;
  for (int64_t y = 0; y < digit.h; ++y) {
    for (int64_t x = 0; x < digit.w; ++x) {
      const float v = digit.at(y, x);
      mass += v;
      sum_y += v * (static_cast<double>(y) + 0.5);
      sum_x += v * (static_cast<double>(x) + 0.5);
      most = std::max(most, v);
    }
  }
  std::vector<uint8_t> pixels(kSide * kSide, 0);
  if (!(mass > 0)) return pixels;
  const auto place = [&](double centre, int64_t size) {
    constexpr double kRounding = 1e-6;  // of an even digit's centre, which is to stay where it is
    const auto begin = static_cast<int64_t>(std::ceil(kSide / 2.0 - centre - kRounding));
    return std::clamp<int64_t>(begin, 0, kSide - size);
  };
  const int64_t top = place(sum_y / mass, digit.h), left = place(sum_x / mass, digit.w);
  for (int64_t y = 0; y < digit.h; ++y) {
    for (int64_t x = 0; x < digit.w; ++x) {
      pixels[static_cast<size_t>((y + top) * kSide + x + left)] =
          static_cast<uint8_t>(std::lround(std::min(digit.at(y, x) / most, 1.f) * 255));
    }
  }
  return pixels;
}

/// The picture itself if it is one that MNIST could show: 28x28, black paper, soft edges, the digit about 20
/// pixels long with its centre of mass in the middle. Drawing that anew could only blur it.
std::optional<std::vector<uint8_t>> as_it_is(const Image& image) {
  if (image.width != kSide || image.height != kSide) return std::nullopt;
  const Plane grey = ink::grey(image, 1);
  double mass = 0, sum_y = 0, sum_x = 0, soft = 0, area = 0;
  Piece box{kSide, kSide, 0, 0};
  for (int64_t y = 0; y < kSide; ++y) {
    for (int64_t x = 0; x < kSide; ++x) {
      const float v = grey.at(y, x);
      if (!(v > 0)) continue;
      area += 1;
      soft += v > 0.1f && v < 0.9f;
      mass += v;
      sum_y += v * (static_cast<double>(y) + 0.5);
      sum_x += v * (static_cast<double>(x) + 0.5);
      box.x0 = std::min(box.x0, x);
      box.y0 = std::min(box.y0, y);
      box.x1 = std::max(box.x1, x + 1);
      box.y1 = std::max(box.y1, y + 1);
    }
  }
  // MNIST has the middle of the mass up to a pixel below and right of the picture's.
  const auto in_middle = [&](double sum) { return std::abs(sum / mass - (kSide + 1) / 2.0) <= 1.5; };
  if (area > 0.5 * kSide * kSide || std::abs(box.side() - kDigit) > 3 || soft < 0.15 * area ||
      !in_middle(sum_y) || !in_middle(sum_x)) {
    return std::nullopt;
  }
  std::vector<uint8_t> pixels;
  for (float v : grey.v) pixels.push_back(static_cast<uint8_t>(std::lround(v * 255)));
  return pixels;
}

}  // namespace

DigitView see_digit(const Image& image) {
  if (image.width < 1 || image.height < 1 || image.channels < 1 || image.channels > 4 ||
      std::cmp_not_equal(image.pixels.size(), image.width * image.height * image.channels)) {
    throw Error(ErrorKind::usage, "a picture whose sizes and pixels do not fit");
  }
  DigitView view;
  view.pixels.assign(kSide * kSide, 0);
  const Ink ink = ink::see_ink(image);
  view.inverted = ink.dark;
  std::vector<int32_t> labels;
  std::optional<Choice> choice;
  if (!ink.blank) choice = choose(find_pieces(ink, labels), ink);
  if (!choice) {
    view.verdict = DigitView::Verdict::blank;
    view.note = "nothing stands out from the paper";
    return view;
  }
  Piece whole = choice->whole;
  std::optional<std::vector<uint8_t>> fitted;
  if (!ink.dark) fitted = as_it_is(image);
  view.pixels = fitted ? *fitted : centred(redrawn(cut_out(ink, labels, *choice, whole)));
  const auto original = [&](int64_t v) { return static_cast<int64_t>(static_cast<double>(v) * ink.scale); };
  view.left = original(whole.x0);
  view.top = original(whole.y0);
  view.width = std::min(original(whole.x1), image.width) - view.left;
  view.height = std::min(original(whole.y1), image.height) - view.top;
  if (choice->several) {
    view.verdict = DigitView::Verdict::several;
    view.note = "there is more than one digit, or something else of that size";
  }
  return view;
}

bool are_digits(const Dataset& data) {
  if (data.image != Shape{1, kSide, kSide} || data.classes.size() != 10) return false;
  for (size_t c = 0; c < 10; ++c) {
    if (data.classes[c] != std::to_string(c)) return false;
  }
  return true;
}

std::string ascii_art(std::span<const uint8_t> pixels) {
  constexpr std::string_view kRamp = " .:-=+*#%@";
  if (pixels.size() != kSide * kSide) {
    throw Error(ErrorKind::usage, "a picture for the terminal has 28x28 bytes")
        .got(std::to_string(pixels.size()));
  }
  std::string text;
  for (size_t i = 0; i < pixels.size(); ++i) {
    text.append(2, kRamp[pixels[i] * kRamp.size() / 256]);
    if (i % kSide == kSide - 1) text += '\n';
  }
  return text;
}

}  // namespace unfold
