// Solution of exercise 2 of 5, im2col: what the window sees at each place becomes a column.
//
//   x        N images of C channels of H x W numbers:   x[((n*C + c)*H + h)*W + w]
//   columns  C*KH*KW rows, N*OH*OW columns:             columns[row*(N*OH*OW) + column]
//     row    = (c*KH + kh)*KW + kw                      one element of the window
//     column = n*OH*OW + oh*OW + ow                     one place of it; the images stand side by side
//
// At place oh,ow the window's element kh,kw lies over the pixel of row oh*stride - pad + kh and column
// ow*stride - pad + kw. Outside the image, where the padding is, there is 0.
//
// Example: one image of one channel of 3x3, window 2x2, stride 1.
//
//     x:  1 2 3      columns:  1 2 4 5        the first column is the patch at the top left:  1 2
//         4 5 6                2 3 5 6                                                         4 5
//         7 8 9                4 5 7 8
//                              5 6 8 9
//
// The picture of any other case:  unfold im2col --shape 1x1x5x5 --kernel 3 --stride 2 --show columns
//
// Check it:  unfold exercise 2 2_im2col.cpp
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

std::vector<double> im2col(const std::vector<double>& x, const Sizes& s) {
  const int rows = s.C * s.KH * s.KW, places = s.N * s.OH * s.OW;
  std::vector<double> columns(rows * places, 0.0);

  for (int n = 0; n < s.N; ++n) {
    for (int r = 0; r < rows; ++r) {
      const int c = r / (s.KH * s.KW), kh = r / s.KW % s.KH, kw = r % s.KW;
      for (int oh = 0; oh < s.OH; ++oh) {
        for (int ow = 0; ow < s.OW; ++ow) {
          const int h = oh * s.stride - s.pad + kh, w = ow * s.stride - s.pad + kw;
          if (h < 0 || h >= s.H || w < 0 || w >= s.W) continue;  // the padding stays 0
          columns[r * places + (n * s.OH + oh) * s.OW + ow] = x[((n * s.C + c) * s.H + h) * s.W + w];
        }
      }
    }
  }

  return columns;
}
