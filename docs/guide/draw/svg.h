// Grids of numbers, arrows and captions as SVG. Coordinates are whole pixels and a picture is as large as
// what was drawn, so the same drawing is the same bytes everywhere and nothing is cut off.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::guide {

/// Tints of Okabe and Ito's colours, which people who do not see red or green tell apart. They are never the
/// only sign: what they mark has a frame, a band or a caption as well.
enum class Ink { paper, blue, orange, green, purple, grey };

/// Cells that were drawn.
struct Box {
  int x = 0, y = 0, w = 0, h = 0;
  int cell_w = 0, cell_h = 0;
  int right() const { return x + w; }
  int bottom() const { return y + h; }
  int middle_x() const { return x + w / 2; }
  int middle_y() const { return y + h / 2; }
  /// The part of `rows` x `cols` cells from (row, col) on.
  Box cells(int row, int col, int rows = 1, int cols = 1) const {
    return {x + col * cell_w, y + row * cell_h, cols * cell_w, rows * cell_h, cell_w, cell_h};
  }
};

/// A matrix to draw.
struct Grid {
  int rows = 0, cols = 0;
  std::function<std::string(int row, int col)> text;
  std::function<Ink(int row, int col)> ink = [](int, int) { return Ink::paper; };
  std::string title = {}, note = {};  ///< above and below
  std::vector<std::string> row_labels = {}, col_labels = {};
  int band = 0;  ///< a heavy line after each `band` rows
  int cell_w = 32, cell_h = 23;
};

enum class Align { left, middle, right };

class Drawing {
 public:
  /// `title` and `description` are what a screen reader says.
  Drawing(std::string title, std::string description);

  /// Draws the grid with the top left corner of its cells at (x, y).
  Box grid(int x, int y, const Grid& g);
  /// A heavy frame around cells.
  void frame(const Box& cells, Ink ink = Ink::purple);
  /// Words whose baseline is at y.
  void text(int x, int y, std::string_view words, Align align = Align::middle, int size = 14,
            bool bold = false);
  /// A large sign (=, +) with its middle at (x, y).
  void sign(int x, int y, std::string_view words) { text(x, y + 8, words, Align::middle, 24); }
  void arrow(int x0, int y0, int x1, int y1, std::string_view label = {});

  std::string svg() const;

 private:
  void reach(int x, int y) {
    left_ = std::min(left_, x), right_ = std::max(right_, x);
    top_ = std::min(top_, y), bottom_ = std::max(bottom_, y);
  }

  std::string title_, description_, body_;
  int left_ = 1 << 20, right_ = -(1 << 20), top_ = 1 << 20, bottom_ = -(1 << 20);
};

}  // namespace unfold::guide
