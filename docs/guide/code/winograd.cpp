// Two outputs of a kernel of three from four products instead of six: Winograd's F(2,3).
#include <cstdio>

int main() {
  const double x[] = {3, 1, 4, 1}, w[] = {2, 7, 1};

  // Plainly: 6 products.
  const double y0 = x[0] * w[0] + x[1] * w[1] + x[2] * w[2];
  const double y1 = x[1] * w[0] + x[2] * w[1] + x[3] * w[2];

  // At the points 0, 1, -1 and infinity: sums of pixels (once for all output channels), sums of weights (once
  // for all images), and 4 products.
  const double p0 = (x[0] - x[2]) * w[0];
  const double p1 = (x[1] + x[2]) * ((w[0] + w[1] + w[2]) / 2);
  const double p2 = (x[2] - x[1]) * ((w[0] - w[1] + w[2]) / 2);
  const double p3 = (x[1] - x[3]) * w[2];
  const double z0 = p0 + p1 + p2, z1 = p1 - p2 - p3;

  std::printf("6 products: %g %g\n4 products: %g %g\n", y0, y1, z0, z1);
  return y0 == z0 && y1 == z1 ? 0 : 1;
}
