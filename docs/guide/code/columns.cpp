// The columns twice: gathered by the index matrices, and by im2col.
#include "docs/guide/code/matrix.h"
#include "unfold/im2col.h"

using namespace unfold;
using namespace unfold::guide;

/// Columns of one image without padding, element by element.
Tensor gather(const Tensor& x, const Indices& at) {
  const int64_t rows = at.i.shape()[0], places = at.i.shape()[1], IH = x.shape()[2], IW = x.shape()[3];
  Tensor columns = Tensor::zeros<double>({rows, places});
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < places; ++c) {
      const int64_t d = at.d.data<int64_t>()[r], i = at.i.data<int64_t>()[r * places + c],
                    j = at.j.data<int64_t>()[r * places + c];
      columns.data<double>()[r * places + c] = x.data<double>()[(d * IH + i) * IW + j];
    }
  return columns;
}

int main() {
  const Tensor x = places({1, 3, 4, 4});
  const Window2d window = Window2d::square(2);

  const Tensor columns = gather(x, get_indices(x.shape(), window));

  print("columns", columns);
  return same(columns, im2col(x, window)) ? 0 : 1;
}
