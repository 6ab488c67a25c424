#include "unfold/formats/npy.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string>

#include "unfold/files.h"
#include "unfold/text.h"

namespace unfold {
namespace {

static_assert(std::endian::native == std::endian::little, "only little-endian arrays are read and written");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr uint64_t kMaxHeader = 65536;  // rank 8 needs 300 bytes
constexpr uint64_t kMaxElements = uint64_t{1} << 56;
constexpr std::string_view kHint = "save it again with numpy.save(path, x.astype('<f4'))";

struct Kind {
  std::string_view descr;
  Dtype dtype;
};
constexpr Kind kKinds[] = {{"<f4", Dtype::f32},    {"<f8", Dtype::f64}, {"<i4", Dtype::i32},
                           {"<i8", Dtype::i64},    {"<f2", Dtype::f16}, {"|u1", Dtype::u8},
                           {"|b1", Dtype::boolean}};

/// Reads the header: a Python dictionary with the keys descr, fortran_order and shape, each once.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, std::string_view where) : text_(text), where_(where) { read(); }

  Dtype dtype() const { return *dtype_; }
  bool fortran_order() const { return *fortran_order_; }
  const std::vector<int64_t>& sizes() const { return *sizes_; }
  uint64_t elements() const { return elements_; }

 private:
  void read() {
    expect('{');
    while (!take('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !dtype_) {
        dtype_ = dtype(quoted());
      } else if (key == "fortran_order" && !fortran_order_) {
        fortran_order_ = boolean();
      } else if (key == "shape" && !sizes_) {
        read_sizes();
      } else {
        refuse("an unknown or repeated key");
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) refuse("text behind the closing brace");
    if (!dtype_ || !fortran_order_ || !sizes_) refuse("descr, fortran_order or shape is missing");
  }

  Dtype dtype(std::string_view descr) const {
    for (const Kind& kind : kKinds) {
      if (kind.descr == descr) return kind.dtype;
    }
    throw Error(ErrorKind::data, "elements of a kind that is not read here")
        .where(where_)
        .wanted("<f4, <f8, <f2, <i4, <i8, |u1 or |b1")
        .got(printable(descr))
        .hint(kHint);
  }

  bool boolean() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    refuse("fortran_order is neither True nor False");
  }

  void read_sizes() {
    sizes_.emplace();
    elements_ = 1;
    expect('(');
    while (!take(')')) {
      const uint64_t size = number();
      if (size > 0 && elements_ > kMaxElements / size) refuse("the shape has too many elements");
      // Sizes behind a zero count too: the shape itself must not overflow.
      if (size > 0) elements_ *= size;
      if (sizes_->size() == Shape::kMaxRank) refuse("more than 8 axes");
      sizes_->push_back(static_cast<int64_t>(size));
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    if (std::ranges::count(*sizes_, 0) > 0) elements_ = 0;
  }

  uint64_t number() {
    skip_space();
    uint64_t value = 0;
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      value = value * 10 + static_cast<uint64_t>(text_[at_++] - '0');
      if (value > kMaxElements) refuse("a size is too large");
    }
    if (at_ == start) refuse("a size is no number");
    return value;
  }

  std::string_view quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote != '\'' && quote != '"') refuse("a quoted word is missing");
    const size_t end = text_.find(quote, at_ + 1);
    if (end == text_.npos) refuse("a quote is not closed");
    const std::string_view word = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return word;
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }

  bool take(char wanted) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  void expect(char wanted) {
    if (!take(wanted)) refuse(std::string("'") + wanted + "' is missing");
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorKind::data, "bad .npy header: " + what + " at character " + std::to_string(at_))
        .where(where_)
        .hint(kHint);
  }

  std::string_view text_, where_;
  size_t at_ = 0;
  std::optional<Dtype> dtype_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<int64_t>> sizes_;
  uint64_t elements_ = 0;
};

}  // namespace

Tensor parse_npy(std::span<const std::byte> bytes, std::string_view where) {
  const auto bad = [&](std::string_view what) {
    return Error(ErrorKind::data, what).where(where).hint(kHint);
  };
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic)) throw bad("this is no .npy file");
  if (text.size() < 10)
    throw bad("the .npy file is cut").wanted("at least 10 bytes").got(std::to_string(text.size()));
  const int version = static_cast<unsigned char>(text[6]);
  if ((version != 1 && version != 2) || text[7] != 0) {
    throw bad("a version of .npy that is not read here")
        .wanted("1.0 or 2.0")
        .got(std::to_string(version) + "." + std::to_string(static_cast<unsigned char>(text[7])));
  }
  // Version 1 gives the header's length in two bytes, version 2 in four.
  const size_t length_bytes = version == 1 ? 2 : 4;
  const size_t start = 8 + length_bytes;
  uint32_t length = 0;
  if (text.size() >= start) std::memcpy(&length, bytes.data() + 8, length_bytes);
  if (text.size() < start || length > std::min<uint64_t>(kMaxHeader, text.size() - start)) {
    throw bad("the .npy header is cut or too long").got(std::to_string(length) + " bytes of header claimed");
  }
  const HeaderReader header(text.substr(start, length), where);

  const std::span<const std::byte> data = bytes.subspan(start + length);
  const uint64_t claimed = header.elements() * dtype_size(header.dtype());
  if (claimed != data.size()) {
    throw bad(claimed > data.size() ? "the .npy file is cut"
                                    : "the .npy file holds more bytes than its array")
        .wanted(std::to_string(claimed) + " bytes of data")
        .got(std::to_string(data.size()));
  }
  if (header.dtype() == Dtype::boolean &&
      std::ranges::any_of(data, [](std::byte b) { return b > std::byte{1}; })) {
    throw bad("a truth value is neither 0 nor 1");
  }

  std::vector<int64_t> sizes = header.sizes();
  if (header.fortran_order()) std::ranges::reverse(sizes);
  Tensor tensor(header.dtype(), Shape(std::span<const int64_t>(sizes)));
  if (!data.empty()) std::memcpy(tensor.raw(), data.data(), data.size());
  if (!header.fortran_order()) return tensor;
  const int rank = tensor.shape().rank();
  for (int axis = 0; axis < rank / 2; ++axis) tensor = tensor.transposed(axis, rank - 1 - axis);
  return tensor.contiguous() ? tensor : tensor.clone();
}

Tensor read_npy(const std::filesystem::path& path) {
  return parse_npy(read_file(path, ErrorKind::data), path.string());
}

std::vector<std::byte> serialize_npy(const Tensor& tensor) {
  const auto* kind = std::ranges::find(kKinds, tensor.dtype(), &Kind::dtype);
  if (kind == std::end(kKinds)) {
    throw Error(ErrorKind::usage, "a .npy file cannot hold these elements").got(dtype_name(tensor.dtype()));
  }
  const Shape& shape = tensor.shape();
  std::string sizes;
  for (const int64_t size : shape.sizes()) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
  if (shape.rank() == 1) sizes += ",";
  std::string header =
      "{'descr': '" + std::string(kind->descr) + "', 'fortran_order': False, 'shape': (" + sizes + "), }";
  // As NumPy does: room for the first size to grow to 21 digits, then the data at a multiple of 64 bytes.
  if (shape.rank() > 0) header.append(21 - std::to_string(shape[0]).size(), ' ');
  constexpr size_t kPreamble = 10;
  header.resize((kPreamble + header.size() + 1 + 63) / 64 * 64 - kPreamble, ' ');
  header.back() = '\n';

  const Tensor dense = tensor.contiguous() ? tensor : tensor.clone();
  std::string text(kMagic);
  text += {'\1', '\0', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  text += header;
  const std::span<const std::byte> front = std::as_bytes(std::span(text));
  std::vector<std::byte> bytes(front.begin(), front.end());
  const auto* data = static_cast<const std::byte*>(dense.raw());
  bytes.insert(bytes.end(), data, data + dense.bytes());
  return bytes;
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  write_file(path, serialize_npy(tensor));
}

}  // namespace unfold
