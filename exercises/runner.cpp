// What `unfold exercise` compiles together with a student's file. It reads the cases, calls the student's
// function, and writes what comes back, case by case. It holds no answers: unfold has these, and compares.
//
//   run CASES ANSWERS SECONDS
//
// CASES: int32 count, then of each case Sizes, int32 vectors, and of each vector int32 length and its
// doubles. ANSWERS: of each case int32 vectors, and of each vector int64 length and its doubles (kMost at
// most).
#undef main
#include <sys/resource.h>
#ifdef __linux__
#include <signal.h>
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

struct Sizes {
  int N, C, H, W, OC, KH, KW, stride, pad, OH, OW;
};

#if UNFOLD_EXERCISE == 1
struct Indices {
  std::vector<int> i, j, d;
};
Indices get_indices(const Sizes& s);
#elif UNFOLD_EXERCISE == 2
std::vector<double> im2col(const std::vector<double>& x, const Sizes& s);
#elif UNFOLD_EXERCISE == 3
std::vector<double> col2im(const std::vector<double>& columns, const Sizes& s);
#else

namespace unfold_runner {
/// Calls visit(place in x, place in the columns) for everything the windows see inside the images.
template <class Visit>
void each_copy(const Sizes& s, Visit visit) {
  for (int n = 0, q = 0; n < s.N; ++n) {
    for (int oh = 0; oh < s.OH; ++oh) {
      for (int ow = 0; ow < s.OW; ++ow, ++q) {
        for (int r = 0; r < s.C * s.KH * s.KW; ++r) {
          const int h = oh * s.stride - s.pad + r / s.KW % s.KH, w = ow * s.stride - s.pad + r % s.KW;
          if (h < 0 || h >= s.H || w < 0 || w >= s.W) continue;
          visit(((n * s.C + r / (s.KH * s.KW)) * s.H + h) * s.W + w, r * s.N * s.OH * s.OW + q);
        }
      }
    }
  }
}
}  // namespace unfold_runner

// Weak: a student's own take their place.
__attribute__((weak)) std::vector<double> im2col(const std::vector<double>& x, const Sizes& s) {
  std::vector<double> columns(s.C * s.KH * s.KW * s.N * s.OH * s.OW);
  unfold_runner::each_copy(s, [&](int pixel, int place) { columns[place] = x[pixel]; });
  return columns;
}
__attribute__((weak)) std::vector<double> col2im(const std::vector<double>& columns, const Sizes& s) {
  std::vector<double> x(s.N * s.C * s.H * s.W);
  unfold_runner::each_copy(s, [&](int pixel, int place) { x[pixel] += columns[place]; });
  return x;
}

#if UNFOLD_EXERCISE == 4
struct Gradients {
  std::vector<double> dx, dw, db;
};
Gradients conv_backward(const std::vector<double>& x, const std::vector<double>& w,
                        const std::vector<double>& dy, const Sizes& s);
#else
std::vector<double> avg_pool_backward(const std::vector<double>& dy, const Sizes& s);
#endif
#endif

namespace unfold_runner {

using Vectors = std::vector<std::vector<double>>;
constexpr std::int64_t kMost = 1000000;

Vectors call(const Vectors& in, const Sizes& s) {
#if UNFOLD_EXERCISE == 1
  const Indices index = get_indices(s);
  return {
      {index.i.begin(), index.i.end()}, {index.j.begin(), index.j.end()}, {index.d.begin(), index.d.end()}};
#elif UNFOLD_EXERCISE == 2
  return {im2col(in[0], s)};
#elif UNFOLD_EXERCISE == 3
  return {col2im(in[0], s)};
#elif UNFOLD_EXERCISE == 4
  const Gradients g = conv_backward(in[0], in[1], in[2], s);
  return {g.dx, g.dw, g.db};
#else
  return {avg_pool_backward(in[0], s)};
#endif
}

template <class T>
T take(std::FILE* file) {
  T value;
  if (std::fread(&value, sizeof value, 1, file) != 1) std::exit(4);
  return value;
}

/// What runs wild ends by itself, also when unfold is gone.
void limit(unsigned seconds) {
  const rlimit time{seconds + 1, seconds + 1}, core{0, 0}, file{64u << 20, 64u << 20};
  setrlimit(RLIMIT_CPU, &time);
  setrlimit(RLIMIT_CORE, &core);
  setrlimit(RLIMIT_FSIZE, &file);
#ifndef UNFOLD_SANITIZED  // which reserves terabytes of addresses
  const rlimit memory{2ul << 30, 2ul << 30};
  setrlimit(RLIMIT_AS, &memory);
#endif
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

int run(char** argv) {
  limit(static_cast<unsigned>(std::atoi(argv[3])));
  std::FILE* cases = std::fopen(argv[1], "rb");
  std::FILE* answers = std::fopen(argv[2], "wb");
  if (!cases || !answers) return 4;
  for (int count = take<std::int32_t>(cases); count > 0; --count) {
    const Sizes s = take<Sizes>(cases);
    Vectors in(take<std::int32_t>(cases));
    for (auto& vector : in) {
      vector.resize(take<std::int32_t>(cases));
      for (double& value : vector) value = take<double>(cases);
    }
    const Vectors out = call(in, s);
    const auto vectors = static_cast<std::int32_t>(out.size());
    std::fwrite(&vectors, sizeof vectors, 1, answers);
    for (const auto& vector : out) {
      const auto length = static_cast<std::int64_t>(vector.size());
      std::fwrite(&length, sizeof length, 1, answers);
      std::fwrite(vector.data(), sizeof(double), static_cast<std::size_t>(std::min(length, kMost)), answers);
    }
    std::fflush(answers);  // the cases before a crash are known
  }
  return std::fclose(answers) == 0 ? 0 : 4;
}

}  // namespace unfold_runner

int main(int, char** argv) {
  try {
    return unfold_runner::run(argv);
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", e.what());
  } catch (...) {
    std::fflush(stdout);
    std::fprintf(stderr, "something that is no std::exception\n");
  }
  return 3;
}
