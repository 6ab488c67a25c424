// The guide's figures. Every number in them comes from the library's functions or, for a plain product of two
// matrices, from the guide's own loops, compared with the library's result before anything is drawn.
#pragma once

#include <string>
#include <vector>

#include "docs/guide/code/matrix.h"
#include "docs/guide/draw/svg.h"
#include "unfold/im2col.h"

namespace unfold::guide {

struct Figure {
  std::string name;  ///< of the file, without .svg
  Drawing drawing;
};

std::vector<Figure> index_figures();     ///< chapters 1 and 2
std::vector<Figure> product_figures();   ///< chapters 3 and 7
std::vector<Figure> pooling_figures();   ///< chapter 4
std::vector<Figure> gradient_figures();  ///< chapters 5 and 6

/// The colours of channels 0, 1 and 2, and of images 0 and 1.
constexpr Ink kChannels[] = {Ink::blue, Ink::orange, Ink::green};

/// The article's example, forward and backward: x (1,3,4,4), w (2,3,2,2), and what the library makes of them.
struct Example {
  explicit Example(int64_t images = 1, int64_t channels = 3, int64_t side = 4);
  Window2d window = Window2d::square(2);
  Conv2dShape s;
  Tensor x, w, dy;               // (N,C,H,W), (2,C,2,2), (N,2,OH,OW)
  Tensor columns, flat_w;        // (C*4, N*OH*OW), (2, C*4)
  Tensor y, y_rows;              // (N,2,OH,OW), (2, N*OH*OW)
  Tensor dy_rows, dcolumns, dx;  // (2, N*OH*OW), (C*4, N*OH*OW), (N,C,H,W)
  Tensor dw;                     // (2,C,2,2)
};

/// 3, -2, 0.25
std::string shown(double value);
/// Element k of a tensor of double or int64.
double element(const Tensor& t, int64_t k);
/// A matrix (rows, cols).
Grid matrix_grid(const Tensor& t, const std::string& title);
/// Channel c of image n of a tensor (N,C,H,W).
Grid plane_grid(const Tensor& t, int64_t n, int64_t c, const std::string& title);
/// "0,1,1": channel, kernel row, kernel column of each row of the columns.
std::vector<std::string> tap_labels(int64_t channels, const Window2d& window);
/// "1,2": row and column of each place of the window.
std::vector<std::string> place_labels(int64_t oh, int64_t ow);

}  // namespace unfold::guide
