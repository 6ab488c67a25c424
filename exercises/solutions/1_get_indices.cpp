// Solution of exercise 1 of 5, get_indices: where each element of the columns comes from.
//
// im2col lays what a window sees, place after place, side by side as the columns of a matrix. Before any
// number is copied, say where each comes from: three index matrices, so that
//
//     columns[r][p] = x[d[r]][i[r][p]][j[r][p]]          x: the image with its padding around it
//
//   A row r is one element of the window: channel c, its row kh, its column kw (which runs fastest):
//     r = (c*KH + kh)*KW + kw                            C*KH*KW rows
//   A column p is one place of the window: oh places down, ow places to the right (which runs fastest):
//     p = oh*OW + ow                                     OH*OW columns
//
// Example: one channel of 3x3, window 2x2, stride 1, so OH = OW = 2.
//
//     i:  0 0 1 1      j:  0 1 0 1      d:  0
//         0 0 1 1          1 2 1 2          0
//         1 1 2 2          0 1 0 1          0
//         1 1 2 2          1 2 1 2          0
//
// i and j count in the padded image, whose top left corner is 0,0. All images of a batch share them.
//
// Check it:  unfold exercise 1 1_get_indices.cpp
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

struct Indices {
  std::vector<int> i, j;  // row after row: element (r, p) is [r*OH*OW + p]
  std::vector<int> d;     // one a row
};

Indices get_indices(const Sizes& s) {
  const int rows = s.C * s.KH * s.KW, places = s.OH * s.OW;
  Indices index;
  index.i.assign(rows * places, 0);
  index.j.assign(rows * places, 0);
  index.d.assign(rows, 0);

  for (int r = 0; r < rows; ++r) {
    const int c = r / (s.KH * s.KW), kh = r / s.KW % s.KH, kw = r % s.KW;
    index.d[r] = c;
    for (int p = 0; p < places; ++p) {
      const int oh = p / s.OW, ow = p % s.OW;
      index.i[r * places + p] = oh * s.stride + kh;
      index.j[r * places + p] = ow * s.stride + kw;
    }
  }

  return index;
}
