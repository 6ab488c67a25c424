// Exercise 3 of 5, col2im: every number of the columns is added to the pixel it was cut from.
//
//   columns  C*KH*KW rows, N*OH*OW columns:             columns[row*(N*OH*OW) + column]
//     row    = (c*KH + kh)*KW + kw,  column = n*OH*OW + oh*OW + ow
//   x        N images of C channels of H x W numbers:   x[((n*C + c)*H + h)*W + w]
//
// The pixel of columns (c, kh, kw; n, oh, ow) is in row oh*stride - pad + kh, column ow*stride - pad + kw of
// channel c of image n. A pixel under several windows gets the sum of what they bring; what falls on the
// padding is dropped.
//
// Example: the columns of exercise 2. The pixel in the middle, 5, stands under four windows: 20 comes back.
//
//     columns:  1 2 4 5      x:  1  4  3
//               2 3 5 6          8 20 12
//               4 5 7 8          7 16  9
//               5 6 8 9
//
// Check it:  unfold exercise 3 3_col2im.cpp
#include <vector>

// All sizes of one case. Leave it as it is.
struct Sizes {
  int N, C, H, W;  // images; channels, rows and columns of each
  int OC;          // kernels: each makes one output channel
  int KH, KW;      // rows and columns of the window
  int stride;      // pixels from one place of the window to the next, down and to the right
  int pad;         // zeros around the image, on all four sides
  int OH, OW;      // rows and columns of places: OH = (H + 2*pad - KH)/stride + 1
};

std::vector<double> col2im(const std::vector<double>& columns, const Sizes& s) {
  std::vector<double> x(s.N * s.C * s.H * s.W, 0.0);

  // Your part.

  return x;
}
