// unfold im2col: the index matrices, the matrix of patches, its fold and the overlap counts of any small
// geometry. Everything shown comes from the library's own functions, run on an image of pixel numbers unless
// one is given.
#include "unfold/im2col.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "unfold/formats/npy.h"
#include "unfold/suggest.h"

namespace unfold::cli {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::string> kParts = {"indices", "columns", "fold", "overlap"};

struct Im2colFlags {
  std::string shape, kernel = "2", stride = "1", pad = "0", dilation = "1", input;
  std::vector<std::string> show;
  bool json = false;

  bool shows(const std::string& part) const {
    return show.empty() || std::find(show.begin(), show.end(), part) != show.end();
  }
};

/// "2", "2x3" or "1,0,2,0": whole numbers with x or commas between them, `least` to `most` of them.
std::vector<int64_t> numbers(const std::string& text, const char* option, size_t least, size_t most,
                             const char* wanted) {
  std::vector<int64_t> values;
  const char *at = text.data(), *end = at + text.size();
  while (true) {
    int64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc()) break;
    values.push_back(value);
    at = next;
    if (at == end || (*at != 'x' && *at != ',')) break;
    ++at;
  }
  if (at != end || text.back() == 'x' || text.back() == ',' || values.size() < least ||
      values.size() > most) {
    throw Error(ErrorKind::usage, "cannot be understood").where(option).wanted(wanted).got("'" + text + "'");
  }
  return values;
}

Window2d window_of(const Im2colFlags& options) {
  constexpr const char* kWanted = "one number as 2, or height and width as 2x3";
  const auto pair = [&](const std::string& text, const char* option) {
    std::vector<int64_t> values = numbers(text, option, 1, 2, kWanted);
    if (values.size() == 1) values.push_back(values[0]);
    return values;
  };
  const auto kernel = pair(options.kernel, "--kernel"), stride = pair(options.stride, "--stride");
  const auto dilation = pair(options.dilation, "--dilation");
  const auto pad =
      numbers(options.pad, "--pad", 1, 4, "1, height and width as 1x2, or top,left,bottom,right");
  if (pad.size() == 3) {
    throw Error(ErrorKind::usage, "three paddings are ambiguous").where("--pad").wanted("1, 2 or 4 numbers");
  }
  Window2d window;
  window.kernel_h = kernel[0], window.kernel_w = kernel[1];
  window.stride_h = stride[0], window.stride_w = stride[1];
  window.dilation_h = dilation[0], window.dilation_w = dilation[1];
  window.pad_top = pad[0], window.pad_left = pad[1 % pad.size()];
  window.pad_bottom = pad[2 % pad.size()], window.pad_right = pad[3 % pad.size()];
  return window;
}

constexpr int64_t kMostElements = 10'000'000;

void check_size(int64_t elements, const char* what) {
  if (elements > kMostElements) {
    throw Error(ErrorKind::usage, std::string(what) + " would be too large to show")
        .wanted("at most " + std::to_string(kMostElements) + " elements")
        .got(std::to_string(elements))
        .hint("choose a smaller --shape; the picture is the same");
  }
}

/// (H,W), (C,H,W) or (N,C,H,W) as (N,C,H,W).
Shape image_shape(std::span<const int64_t> sizes, const char* where) {
  if (sizes.size() < 2 || sizes.size() > 4) {
    throw Error(ErrorKind::usage, "these are no images")
        .where(where)
        .wanted("(H, W), (C, H, W) or (N, C, H, W)")
        .got(Shape(sizes).text());
  }
  std::vector<int64_t> all(4 - sizes.size(), 1);
  all.insert(all.end(), sizes.begin(), sizes.end());
  return Shape(all);
}

template <class T>
Tensor as_double(const Tensor& tensor) {
  Tensor result = Tensor::zeros<double>(tensor.shape());
  const auto from = tensor.span<T>();
  std::transform(from.begin(), from.end(), result.data<double>(), [](T v) { return static_cast<double>(v); });
  return result;
}

Tensor read_images(const std::string& path) {
  Tensor t = read_npy(path);
  check_size(t.elements(), "the input");
  switch (t.dtype()) {
    case Dtype::f32:
      return as_double<float>(t);
    case Dtype::f64:
      return t;
    case Dtype::i64:
      return as_double<int64_t>(t);
    case Dtype::i32:
      return as_double<int32_t>(t);
    case Dtype::u8:
      return as_double<uint8_t>(t);
    case Dtype::boolean:
      return as_double<bool>(t);
    default:
      throw Error(ErrorKind::data, "elements of this type cannot be shown")
          .where(path)
          .got(dtype_name(t.dtype()));
  }
}

/// The input: the file, or 0, 1, 2, ... so that every number on the screen says which pixel it is.
Tensor images_of(const Im2colFlags& options) {
  std::vector<int64_t> sizes{1, 3, 4, 4};
  if (!options.shape.empty()) {
    sizes = numbers(options.shape, "--shape", 2, 4, "sizes as 1x3x4x4 (N, C, H, W)");
    if (*std::min_element(sizes.begin(), sizes.end()) < 1) {
      throw Error(ErrorKind::usage, "every size must be at least 1")
          .where("--shape")
          .got("'" + options.shape + "'");
    }
  }
  if (options.input.empty()) {
    const Shape shape = image_shape(sizes, "--shape");
    check_size(shape.elements(), "the input");
    Tensor x = Tensor::zeros<double>(shape);
    double next = 0;
    for (double& value : x.span<double>()) value = next++;
    return x;
  }
  const Tensor x = read_images(options.input);
  if (options.shape.empty()) return x.reshaped(image_shape(x.shape().sizes(), options.input.c_str()));
  const Shape shape = image_shape(sizes, "--shape");
  if (shape.elements() != x.elements()) {
    throw Error(ErrorKind::usage, "the input has another number of elements")
        .where(options.input)
        .wanted(shape.text())
        .got(x.shape().text());
  }
  return x.reshaped(shape);
}

/// All that can be shown of one geometry.
struct Views {
  Conv2dShape s;
  Tensor x, columns, fold, overlap;
  Indices indices;

  Views(const Tensor& images, const Window2d& window)
      : s(Conv2dShape::infer(images.shape(), images.shape()[1], window, "im2col")), x(images) {
    check_size(Shape({s.n, s.ic, window.kernel_h, window.kernel_w, s.oh, s.ow}).elements(), "the columns");
    columns = im2col(x, window);
    fold = col2im(columns, x.shape(), window);
    indices = get_indices(x.shape(), window);
    // How many windows lie over each pixel: the fold of the columns of ones. The same in every channel.
    Tensor ones = Tensor::zeros<double>({1, 1, s.ih, s.iw});
    for (double& value : ones.span<double>()) value = 1;
    overlap = col2im(im2col(ones, window), ones.shape(), window).reshaped({s.ih, s.iw});
  }
};

/// The tensor as nested lists; whole numbers without a decimal point.
Json nested(const Tensor& tensor, int axis = 0, int64_t offset = 0) {
  if (axis == tensor.shape().rank()) {
    if (tensor.dtype() == Dtype::i64) return tensor.data<int64_t>()[offset];
    const double value = tensor.data<double>()[offset];
    constexpr double kExact = 9007199254740992.0;  // 2^53
    if (value == std::floor(value) && std::fabs(value) < kExact) return static_cast<int64_t>(value);
    return value;
  }
  Json list = Json::array();
  for (int64_t k = 0; k < tensor.shape()[axis]; ++k) {
    list.push_back(nested(tensor, axis + 1, offset + k * tensor.stride(axis)));
  }
  return list;
}

Json array(const Tensor& tensor) {
  return {{"shape", std::vector<int64_t>(tensor.shape().sizes().begin(), tensor.shape().sizes().end())},
          {"values", nested(tensor)}};
}

void print_json(const Im2colFlags& options, const Views& v) {
  const Window2d& k = v.s.window;
  Json out;
  out["window"] = {{"kernel", {k.kernel_h, k.kernel_w}},
                   {"stride", {k.stride_h, k.stride_w}},
                   {"pads", {k.pad_top, k.pad_left, k.pad_bottom, k.pad_right}},
                   {"dilation", {k.dilation_h, k.dilation_w}}};
  out["output"] = {v.s.oh, v.s.ow};
  out["x"] = array(v.x);
  if (options.shows("indices")) {
    out["indices"] = {{"i", array(v.indices.i)}, {"j", array(v.indices.j)}, {"d", array(v.indices.d)}};
  }
  if (options.shows("columns")) out["columns"] = array(v.columns);
  if (options.shows("fold")) out["fold"] = array(v.fold);
  if (options.shows("overlap")) out["overlap"] = array(v.overlap);
  std::cout << out.dump() << '\n';
}

std::string size_text(int64_t height, int64_t width) {
  return std::to_string(height) + "x" + std::to_string(width);
}

std::string triple(int64_t a, int64_t b, int64_t c) {
  return std::to_string(a) + "," + std::to_string(b) + "," + std::to_string(c);
}

/// Prints the views one after the other, each under a line that says what it is.
class Screen {
 public:
  Screen(const Im2colFlags& options, const Views& views, bool explain)
      : options_(options), v_(views), explain_(explain), width_(terminal_width()) {}

  void print() const {
    const Window2d& k = v_.s.window;
    const std::string pads = triple(k.pad_top, k.pad_left, k.pad_bottom) + "," + std::to_string(k.pad_right);
    say("x " + v_.x.shape().text() + ", kernel " + size_text(k.kernel_h, k.kernel_w) + ", stride " +
        size_text(k.stride_h, k.stride_w) + ", pads " + pads + ", dilation " +
        size_text(k.dilation_h, k.dilation_w) + ": the window stands in " + size_text(v_.s.oh, v_.s.ow) +
        " places");
    if (options_.input.empty()) explain("x holds 0, 1, 2, ...: each number is the place of its pixel");
    if (options_.shows("indices")) print_indices();
    if (options_.shows("columns")) print_columns();
    if (options_.shows("fold")) print_fold();
    if (options_.shows("overlap")) print_overlap();
  }

 private:
  void say(const std::string& line) const { std::cout << wrapped(line, width_); }
  void explain(const std::string& line) const {
    if (explain_) say(line);
  }
  void title(const std::string& line, const std::string& meaning) const {
    std::cout << '\n';
    say(line);
    explain(meaning);
  }

  std::string patch_label(int64_t row) const {
    const Window2d& k = v_.s.window;
    return triple(row / k.taps(), row / k.kernel_w % k.kernel_h, row % k.kernel_w);
  }
  std::string place_label(int64_t column) const {
    const std::string image = v_.s.n > 1 ? std::to_string(column / v_.s.pixels()) + "/" : "";
    return image + std::to_string(column / v_.s.ow % v_.s.oh) + "," + std::to_string(column % v_.s.ow);
  }

  void print_matrix(const Tensor& m, bool places) const {
    const int64_t columns = m.shape()[1];
    Table table;
    table.rows = m.shape()[0];
    table.columns = columns;
    table.corner = "c,kh,kw";
    table.cell = [&m, columns](int64_t row, int64_t column) {
      const int64_t e = row * columns + column;
      return m.dtype() == Dtype::i64 ? std::to_string(m.data<int64_t>()[e])
                                     : number_text(m.data<double>()[e]);
    };
    table.row_label = [this](int64_t row) { return patch_label(row); };
    if (places) table.column_label = [this](int64_t column) { return place_label(column); };
    std::cout << table_text(table, width_);
  }

  void print_plane(const double* plane) const {
    Table table;
    table.rows = v_.s.ih;
    table.columns = v_.s.iw;
    table.cell = [this, plane](int64_t row, int64_t column) {
      return number_text(plane[row * v_.s.iw + column]);
    };
    std::cout << table_text(table, width_);
  }

  void print_indices() const {
    title("i " + v_.indices.i.shape().text(),
          "row of the padded image that each element of the columns comes from");
    print_index(v_.indices.i);
    title("j " + v_.indices.j.shape().text(), "its column in the padded image");
    print_index(v_.indices.j);
    title("d " + v_.indices.d.shape().text(), "its channel");
    print_matrix(v_.indices.d, false);
  }
  void print_index(const Tensor& index) const { print_matrix(index, true); }

  void print_columns() const {
    title("columns " + v_.columns.shape().text(),
          v_.s.n > 1
              ? "one column a place (image/oh,ow), one row an element of the patch, images side by side"
              : "one column a place (oh,ow), one row an element of the patch");
    print_matrix(v_.columns, true);
  }

  void print_fold() const {
    title("fold " + v_.fold.shape().text(), "col2im(columns): x times the number of windows over each pixel");
    constexpr int64_t kMostPlanes = 8;
    const int64_t planes = v_.s.n * v_.s.ic;
    for (int64_t p = 0; p < std::min(planes, kMostPlanes); ++p) {
      if (planes > 1) {
        say(" image " + std::to_string(p / v_.s.ic) + ", channel " + std::to_string(p % v_.s.ic));
      }
      print_plane(v_.fold.data<double>() + p * v_.s.ih * v_.s.iw);
    }
    if (planes > kMostPlanes) {
      say("(" + std::to_string(kMostPlanes) + " of " + std::to_string(planes) + " channels shown)");
    }
  }

  void print_overlap() const {
    title("overlap " + v_.overlap.shape().text(),
          "the number of windows over each pixel, the same in every channel");
    print_plane(v_.overlap.data<double>());
  }

  const Im2colFlags& options_;
  const Views& v_;
  bool explain_;
  int width_;
};

int run_im2col(const Im2colFlags& options, const Global& global) {
  for (const std::string& part : options.show) {
    if (std::find(kParts.begin(), kParts.end(), part) == kParts.end())
      throw unknown_name("view", part, kParts);
  }
  const Window2d window = window_of(options);
  const Views views(images_of(options), window);
  if (options.json) {
    print_json(options, views);
  } else {
    Screen(options, views, !global.quiet).print();
  }
  return kOk;
}

}  // namespace

void add_im2col(CLI::App& app, Global& global) {
  auto options = std::make_shared<Im2colFlags>();
  CLI::App* command = app.add_subcommand("im2col", "Show convolution become a matrix product");
  command->add_option("--shape", options->shape, "Images, NxCxHxW, CxHxW or HxW (1x3x4x4, or the input's)");
  command->add_option("--kernel", options->kernel, "Kernel, K or KHxKW (2)");
  command->add_option("--stride", options->stride, "Stride, S or SHxSW (1)");
  command->add_option("--pad", options->pad, "Padding, P, PHxPW or top,left,bottom,right (0)");
  command->add_option("--dilation", options->dilation, "Dilation, D or DHxDW (1)");
  command->add_option("--input", options->input, "Images from a NumPy file instead of pixel numbers")
      ->type_name("FILE.npy");
  command->add_option("--show", options->show, "indices, columns, fold or overlap (all of them)")
      ->delimiter(',');
  command->add_flag("--json", options->json, "One JSON object on stdout, with the whole arrays");
  command->footer(
      "Examples:\n"
      "  unfold im2col\n"
      "  unfold im2col --shape 1x3x4x4 --kernel 2\n"
      "  unfold im2col --shape 2x1x5x5 --kernel 3 --stride 2 --pad 1 --show columns\n"
      "  unfold im2col --input x.npy --kernel 2x3 --json");
  on_run(command, global, [options, &global] { return run_im2col(*options, global); });
}

}  // namespace unfold::cli
