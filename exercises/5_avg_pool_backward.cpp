// Exercise 5 of 5, avg_pool_backward: the gradient of average pooling.
//
// Forward, every channel for itself: y[n][c][oh][ow] is the mean of the KH*KW numbers under the window at
// oh,ow. Zeros of the padding count: it is always divided by KH*KW. Backward each dy is shared out evenly to
// the pixels it was made of, KH*KW equal parts; a pixel under several windows adds up its parts.
//
//   dy  dy[((n*C + c)*OH + oh)*OW + ow]           dx  dx[((n*C + c)*H + h)*W + w]
//
// Example: one image of one channel of 3x3, window 2x2, stride 1.
//
//     dy:   4  8      dx:  1  3  2        4/4 = 1 goes to the four pixels at the top left, 8/4 = 2 to the
//          12 16           4 10  6        four at the top right, and so on; the middle gets 1 + 2 + 3 + 4
//                          3  7  4
//
// Either go through the windows in loops, or as matrices: each row of dy, divided, stands KH*KW times in
// dcolumns, and dx = col2im(dcolumns).
//
// Check it:  unfold exercise 5 5_avg_pool_backward.cpp
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

// Given: exercises 2 and 3. Call them, or put your own in this file.
std::vector<double> im2col(const std::vector<double>& x, const Sizes& s);
std::vector<double> col2im(const std::vector<double>& columns, const Sizes& s);

std::vector<double> avg_pool_backward(const std::vector<double>& dy, const Sizes& s) {
  std::vector<double> dx(s.N * s.C * s.H * s.W, 0.0);

  // Your part.

  return dx;
}
