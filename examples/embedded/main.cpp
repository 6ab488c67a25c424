// A digit's picture on standard input, the digit on standard output; the network is compiled in, and no file
// is read:
//   embedded < seven.pgm
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>

#include LENET5  // what unfold export --c-header wrote
#include "unfold/data/digit.h"
#include "unfold/error.h"
#include "unfold/formats/model_file.h"
#include "unfold/ops/activation.h"
#include "unfold/ops/conv2d.h"
#include "unfold/ops/linear.h"
#include "unfold/ops/pool2d.h"
#include "unfold/ops/shape_ops.h"
#include "unfold/ops/window_attributes.h"
#include "unfold/threads.h"
using namespace unfold;

/// LeNet-5's operators and no others: what nobody names is not linked. make_op in its place knows them all,
/// for 100 kB.
static std::shared_ptr<const Op> make_lenet5(std::string_view type, const Attributes& a) {
  if (type == "Conv2d")
    return std::make_shared<Conv2d>(integer_of(a, "out_channels", 0), window_of(a),
                                    integer_of(a, "bias", 1) != 0);
  if (type == "Linear")
    return std::make_shared<Linear>(integer_of(a, "out_features", 0), integer_of(a, "bias", 1) != 0);
  if (type == "MaxPool2d")
    return std::make_shared<MaxPool2d>(window_of(a), integer_of(a, "ceil_mode", 0) != 0);
  if (type == "Relu") return std::make_shared<Relu>();
  if (type == "Flatten") return std::make_shared<Flatten>();
  throw Error(ErrorKind::model, "no operator of LeNet-5").got(type);
}

/// The next number of a PGM's header; stdio's scanf alone would be 70 kB.
static int number(std::FILE* from) {
  int c = std::fgetc(from), value = 0;
  while (c == ' ' || c == '\n' || c == '\t' || c == '\r') c = std::fgetc(from);
  for (; c >= '0' && c <= '9' && value < 10000; c = std::fgetc(from)) value = 10 * value + (c - '0');
  return value;
}

/// A PGM of eight bits: "P5 WIDTH HEIGHT 255", one blank, and the bytes.
static Image read_pgm(std::FILE* from) {
  const bool pgm = std::fgetc(from) == 'P' && std::fgetc(from) == '5';
  const int width = number(from), height = number(from), most = number(from);
  if (!pgm || width < 1 || height < 1 || width > 4096 || height > 4096 || most != 255)
    throw Error(ErrorKind::data, "no PGM of eight bits").where("standard input");
  Image image{width, height, 1,
              std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height))};
  if (std::fread(image.pixels.data(), 1, image.pixels.size(), from) != image.pixels.size())
    throw Error(ErrorKind::data, "the picture is cut off").where("standard input");
  return image;
}

int main() try {
  const auto bytes = std::as_bytes(std::span(lenet5_model)).first(lenet5_bytes);
  const Model model = parse_model(bytes, "lenet5", make_lenet5).model;
  const DigitView digit = see_digit(read_pgm(stdin));
  if (digit.verdict != DigitView::Verdict::ok) {
    std::printf("no answer: %s\n", digit.note.c_str());
    return 0;
  }
  ThreadPool pool(1);
  Predictor predictor(model, Engine::fast, 1, pool);
  const std::vector<double> p = probabilities(predictor.logits(digit.pixels, 1));
  for (size_t c = 0; c < p.size(); ++c) std::printf("%s %.6f\n", lenet5_classes[c], p[c]);
} catch (const Error& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return 1;
}

/// What the C++ library does with an exception nobody caught: its own way prints the type's name, for 50 kB.
namespace __gnu_cxx {
void __verbose_terminate_handler() {
  std::abort();
}
}  // namespace __gnu_cxx
