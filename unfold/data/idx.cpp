#include "unfold/data/idx.h"

#include <algorithm>
#include <array>

#include "unfold/data/gzip.h"
#include "unfold/files.h"

namespace unfold {
namespace {

constexpr uint32_t kImagesMagic = 0x00000803;  // unsigned bytes, three axes
constexpr uint32_t kLabelsMagic = 0x00000801;  // unsigned bytes, one axis
constexpr uint64_t kMaxSide = 1 << 16;
constexpr uint64_t kMaxBytes = uint64_t{1} << 31;  // EMNIST, the largest of the family, has 0.64e9
constexpr const char* kGetAgain = "the file is damaged or no IDX file: get it again";

std::string hex(uint32_t value) {
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(value >> shift) & 15];
  return text;
}

/// Reads front to back from raw or gzip bytes.
class Source {
 public:
  Source(std::span<const std::byte> bytes, std::string_view where)
      : raw_(bytes), gzip_(is_gzip(bytes)), reader_(gzip_ ? bytes : std::span<const std::byte>{}, where) {}

  size_t read(std::span<std::byte> out) {
    if (gzip_) return reader_.read(out);
    const size_t n = std::min(out.size(), raw_.size() - at_);
    std::copy_n(raw_.begin() + static_cast<std::ptrdiff_t>(at_), n, out.begin());
    at_ += n;
    return n;
  }
  /// No more than this many bytes can still come: exact for raw bytes, a bound for gzip.
  uint64_t at_most() const { return gzip_ ? raw_.size() * kMaxInflation : raw_.size() - at_; }

 private:
  std::span<const std::byte> raw_;
  size_t at_ = 0;
  bool gzip_;
  GzipReader reader_;
};

/// Reads magic number and sizes, checks both, then reads exactly the bytes they announce.
template <size_t Axes>
std::vector<uint8_t> parse(std::span<const std::byte> bytes, std::string_view where, uint32_t magic,
                           std::array<uint64_t, Axes>& sizes) {
  const auto fail = [&](std::string_view what) { return Error(ErrorKind::data, what).where(where); };
  Source source(bytes, where);
  std::array<std::byte, 4 * (Axes + 1)> header{};
  const size_t have = source.read(header);
  const auto word = [&](size_t i) {
    uint32_t value = 0;
    for (size_t k = 0; k < 4; ++k) value = value << 8 | std::to_integer<uint32_t>(header[4 * i + k]);
    return value;
  };
  if (have >= 4 && word(0) != magic) {
    const bool swapped = word(0) == kImagesMagic || word(0) == kLabelsMagic;
    throw fail("the magic number is wrong")
        .wanted(hex(magic) + (magic == kImagesMagic ? " (images)" : " (labels)"))
        .got(hex(word(0)))
        .hint(swapped ? "the images file and the labels file are exchanged" : kGetAgain);
  }
  if (have < header.size()) {
    throw fail("the file ends inside its header")
        .wanted(std::to_string(header.size()) + " bytes")
        .got(std::to_string(have))
        .hint(kGetAgain);
  }
  uint64_t total = 1;
  for (size_t i = 0; i < Axes; ++i) {
    sizes[i] = word(i + 1);
    if (sizes[i] == 0 || (i > 0 && sizes[i] > kMaxSide) || sizes[i] > kMaxBytes / total) {
      throw fail("the header claims sizes that cannot be")
          .wanted("1 to " + std::to_string(kMaxBytes) + " bytes in all, sides up to " +
                  std::to_string(kMaxSide))
          .got(std::to_string(sizes[i]) + " along axis " + std::to_string(i))
          .hint(kGetAgain);
    }
    total *= sizes[i];
  }
  const auto truncated = [&](uint64_t got) {
    return fail("the file is truncated")
        .wanted(std::to_string(total) + " bytes after the header")
        .got(std::to_string(got))
        .hint("the file was cut off on its way here: get it again");
  };
  if (total > source.at_most()) throw truncated(source.at_most());  // before anything is allocated
  // Room is made as bytes come: gzip data may claim much and hold little.
  constexpr uint64_t kPiece = uint64_t{1} << 20;
  std::vector<uint8_t> content;
  content.reserve(total);
  while (content.size() < total) {
    const auto piece = static_cast<size_t>(std::min(kPiece, total - content.size()));
    content.resize(content.size() + piece);
    const size_t got = source.read(std::as_writable_bytes(std::span(content).last(piece)));
    if (got < piece) throw truncated(content.size() - piece + got);
  }
  std::byte surplus{};
  if (source.read({&surplus, 1}) != 0) {  // for gzip this is also what has the checksum compared
    throw fail("there are bytes after the end of the data")
        .wanted(std::to_string(total) + " bytes after the header")
        .got("more")
        .hint(kGetAgain);
  }
  return content;
}

std::vector<std::byte> compose(uint32_t magic, std::span<const int64_t> sizes,
                               std::span<const uint8_t> content) {
  std::vector<std::byte> bytes;
  bytes.reserve(4 + 4 * sizes.size() + content.size());
  const auto put = [&](uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::byte>(value >> shift));
  };
  put(magic);
  for (const int64_t size : sizes) put(static_cast<uint32_t>(size));
  const auto tail = std::as_bytes(content);
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return bytes;
}

}  // namespace

IdxImages parse_idx_images(std::span<const std::byte> bytes, std::string_view where) {
  std::array<uint64_t, 3> sizes{};
  IdxImages images;
  images.pixels = parse(bytes, where, kImagesMagic, sizes);
  images.count = static_cast<int64_t>(sizes[0]);
  images.rows = static_cast<int64_t>(sizes[1]);
  images.columns = static_cast<int64_t>(sizes[2]);
  return images;
}

std::vector<int32_t> parse_idx_labels(std::span<const std::byte> bytes, std::string_view where) {
  std::array<uint64_t, 1> sizes{};
  const std::vector<uint8_t> labels = parse(bytes, where, kLabelsMagic, sizes);
  return {labels.begin(), labels.end()};
}

Dataset load_idx(const std::filesystem::path& images_path, const std::filesystem::path& labels_path,
                 std::string_view name, std::vector<std::string> classes) {
  const uint64_t limit = kMaxBytes + 64;
  IdxImages images = parse_idx_images(read_file(images_path, ErrorKind::data, limit), images_path.string());
  std::vector<int32_t> labels =
      parse_idx_labels(read_file(labels_path, ErrorKind::data, limit), labels_path.string());
  if (std::ssize(labels) != images.count) {
    throw Error(ErrorKind::data, "there is not one label for each image")
        .where(labels_path.string())
        .wanted(std::to_string(images.count) + " labels, as there are images")
        .got(std::to_string(labels.size()))
        .hint("images and labels belong to different parts (train, t10k) or data sets");
  }
  const auto bad =
      std::find_if(labels.begin(), labels.end(), [&](int32_t label) { return label >= std::ssize(classes); });
  if (bad != labels.end()) {
    throw Error(ErrorKind::data, "label " + std::to_string(bad - labels.begin()) + " names no class")
        .where(labels_path.string())
        .wanted("0 to " + std::to_string(std::ssize(classes) - 1))
        .got(std::to_string(*bad))
        .hint(kGetAgain);
  }
  return {std::string(name), Shape({1, images.rows, images.columns}), std::move(images.pixels),
          std::move(labels), std::move(classes)};
}

std::vector<std::byte> idx_images_bytes(const Dataset& data) {
  if (data.image.rank() != 3 || data.image[0] != 1) {
    throw Error(ErrorKind::usage, "only images of one channel fit an IDX file")
        .where(data.name)
        .wanted("(1, H, W)")
        .got(data.image.text());
  }
  if (std::ssize(data.pixels) != data.size() * data.image.elements()) {
    throw Error(ErrorKind::usage, "the pixels do not fit the shape")
        .where(data.name)
        .wanted(std::to_string(data.size() * data.image.elements()))
        .got(std::to_string(data.pixels.size()));
  }
  const std::array<int64_t, 3> sizes = {data.size(), data.image[1], data.image[2]};
  return compose(kImagesMagic, sizes, data.pixels);
}

std::vector<std::byte> idx_labels_bytes(const Dataset& data) {
  const std::array<int64_t, 1> sizes = {data.size()};
  std::vector<uint8_t> labels;
  for (const int32_t label : data.labels) {
    if (label < 0 || label > 255) {
      throw Error(ErrorKind::usage, "a label does not fit the byte that an IDX file has for it")
          .where(data.name)
          .got(std::to_string(label));
    }
    labels.push_back(static_cast<uint8_t>(label));
  }
  return compose(kLabelsMagic, sizes, labels);
}

void write_idx(const Dataset& data, const std::filesystem::path& images,
               const std::filesystem::path& labels) {
  write_file(images, idx_images_bytes(data));
  write_file(labels, idx_labels_bytes(data));
}

}  // namespace unfold
