// Solution of exercise 4 of 5, conv_backward: the gradients of a convolution, by im2col and col2im.
//
// Forward, with the OC kernels of w as the rows of a matrix, the convolution is one product:
//     y = w * columns + b             (OC, C*KH*KW) times (C*KH*KW, N*OH*OW), columns = im2col(x)
// Backward, with dy, the derivative of the loss by y, as a matrix (OC, N*OH*OW):
//     dw = dy * transposed columns    db = the sum of each row of dy
//     dx = col2im(dcolumns)           dcolumns = transposed w * dy
// All are sums: of the loss's mean over the images, dy holds the division already.
//
//   x, dx  x[((n*C + c)*H + h)*W + w]             w, dw  w[((oc*C + c)*KH + kh)*KW + kw]
//   dy     dy[((n*OC + oc)*OH + oh)*OW + ow]      image after image! In the matrix they stand side by side.
//
// Example: one image of one channel of 3x3, one kernel of 2x2, stride 1.
//
//     x:  1 2 3   w:  1 2   dy:  1 2      dw:  37 47   db:  10   dx:  1  4  4
//         4 5 6       3 4        3 4           67 77                  6 20 16
//         7 8 9                                                       9 24 16
//
// Check it:  unfold exercise 4 4_conv_backward.cpp
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

struct Gradients {
  std::vector<double> dx, dw, db;
};

// Given: exercises 2 and 3. Call them, or put your own in this file.
std::vector<double> im2col(const std::vector<double>& x, const Sizes& s);
std::vector<double> col2im(const std::vector<double>& columns, const Sizes& s);

Gradients conv_backward(const std::vector<double>& x, const std::vector<double>& w,
                        const std::vector<double>& dy, const Sizes& s) {
  Gradients g;
  g.dx.assign(x.size(), 0.0);
  g.dw.assign(w.size(), 0.0);
  g.db.assign(s.OC, 0.0);

  const int patch = s.C * s.KH * s.KW, pixels = s.OH * s.OW, places = s.N * pixels;
  std::vector<double> rows(s.OC * places);  // dy with the images side by side
  for (int n = 0; n < s.N; ++n) {
    for (int oc = 0; oc < s.OC; ++oc) {
      for (int p = 0; p < pixels; ++p) rows[oc * places + n * pixels + p] = dy[(n * s.OC + oc) * pixels + p];
    }
  }
  const std::vector<double> columns = im2col(x, s);
  std::vector<double> dcolumns(patch * places, 0.0);
  for (int oc = 0; oc < s.OC; ++oc) {
    for (int q = 0; q < places; ++q) {
      const double d = rows[oc * places + q];
      g.db[oc] += d;
      for (int r = 0; r < patch; ++r) {
        g.dw[oc * patch + r] += d * columns[r * places + q];
        dcolumns[r * places + q] += w[oc * patch + r] * d;
      }
    }
  }
  g.dx = col2im(dcolumns, s);

  return g;
}
