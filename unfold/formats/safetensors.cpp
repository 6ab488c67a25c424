#include "unfold/formats/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>

#include "unfold/files.h"

namespace unfold {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors holds little-endian numbers");

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr uint64_t kMaxElements = uint64_t{1} << 56;  // times 8 bytes still fits 64 bits
constexpr size_t kLengthBytes = 8;
constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::string_view kDamaged = "the file is damaged; restore it from a copy, or make it again";

/// Text of a file for a message: escaped, so that it stays on one line and moves no cursor, and cut.
std::string printable(std::string_view text) {
  using nlohmann::json;
  std::string line =
      json(std::string(text.substr(0, 60))).dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 60) line.insert(line.size() - 1, "...");
  return line;
}

/// What the header says of one tensor.
struct Entry {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<uint64_t>> shape, offsets;
};

/// Receives the header token by token. Only the one structure of the format is let through, so that depth and
/// memory are bounded by the header's own bytes, and duplicate keys (which parsers read differently) are
/// seen.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(std::string_view where) : where_(where) {}

  std::map<std::string, std::string> metadata;
  std::vector<Entry> entries;

  bool start_object(size_t) override {
    if (place_ == Place::start) {
      place_ = Place::top;
    } else if (place_ == Place::top) {
      place_ = name_ == kMetadataKey ? Place::metadata : Place::tensor;
      if (place_ == Place::tensor) entries.push_back({name_, {}, {}, {}});
    } else {
      refuse("an object where none may be");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::tensor) {
      const Entry& entry = entries.back();
      if (!entry.dtype || !entry.shape || !entry.offsets) refuse("dtype, shape or data_offsets is missing");
    }
    place_ = place_ == Place::top ? Place::end : Place::top;
    return true;
  }

  bool key(string_t& text) override {
    if (place_ == Place::top) {
      if (!names_.insert(text).second) refuse("the name " + printable(text) + " stands twice");
      name_ = text;
    } else if (place_ == Place::metadata) {
      if (metadata.contains(text)) refuse("the key " + printable(text) + " stands twice");
      key_ = text;
    } else {
      const Entry& entry = entries.back();
      const bool again = (text == "dtype" && entry.dtype) || (text == "shape" && entry.shape) ||
                         (text == "data_offsets" && entry.offsets);
      if (again) refuse(text + " stands twice");
      if (text != "dtype" && text != "shape" && text != "data_offsets")
        refuse("unknown key " + printable(text));
      key_ = text;
    }
    return true;
  }

  bool string(string_t& text) override {
    if (place_ == Place::metadata) {
      metadata.emplace(key_, text);
    } else if (place_ == Place::tensor && key_ == "dtype") {
      entries.back().dtype = text;
    } else {
      refuse("a string where none may be");
    }
    return true;
  }

  bool start_array(size_t) override {
    if (place_ != Place::tensor || key_ == "dtype") refuse("a list where none may be");
    Entry& entry = entries.back();
    numbers_ = &(key_ == "shape" ? entry.shape : entry.offsets).emplace();
    place_ = Place::numbers;
    return true;
  }

  bool end_array() override {
    if (key_ == "data_offsets" && numbers_->size() != 2) refuse("data_offsets are not two numbers");
    place_ = Place::tensor;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::numbers) refuse("a number where none may be");
    const size_t most = key_ == "shape" ? Shape::kMaxRank : 2;
    if (numbers_->size() == most) refuse(key_ + " has more than " + std::to_string(most) + " numbers");
    numbers_->push_back(value);
    return true;
  }

  bool number_integer(number_integer_t) override { refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    refuse("a number that is no integer of 64 bits");
  }
  bool boolean(bool) override { refuse("true or false where a string or number must be"); }
  bool null() override { refuse("null where a string or number must be"); }
  bool binary(binary_t&) override { refuse("binary data in the header"); }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    throw Error(ErrorKind::model, "the header is no valid JSON: byte " + std::to_string(position))
        .where(where_)
        .hint(kDamaged);
  }

 private:
  enum class Place { start, top, metadata, tensor, numbers, end };

  [[noreturn]] void refuse(const std::string& what) const {
    const bool inside = place_ == Place::metadata || place_ == Place::tensor || place_ == Place::numbers;
    throw Error(ErrorKind::model, "bad header: " + what)
        .where(inside ? where_ + ", " + printable(name_) : where_)
        .hint(kDamaged);
  }

  std::string where_, name_, key_;
  std::set<std::string> names_;
  std::vector<uint64_t>* numbers_ = nullptr;
  Place place_ = Place::start;
};

std::optional<Dtype> dtype_named(std::string_view name) {
  for (const Dtype dtype :
       {Dtype::f32, Dtype::f64, Dtype::i64, Dtype::i32, Dtype::u8, Dtype::boolean, Dtype::f16, Dtype::bf16}) {
    if (name == dtype_name(dtype)) return dtype;
  }
  return std::nullopt;
}

/// The shape, if its elements can be counted.
std::optional<Shape> shape_of(const std::vector<uint64_t>& sizes) {
  uint64_t product = 1;
  std::vector<int64_t> signed_sizes;
  for (const uint64_t size : sizes) {
    if (size > kMaxElements || (size > 0 && product > kMaxElements / size)) return std::nullopt;
    if (size > 0) product *= size;
    signed_sizes.push_back(static_cast<int64_t>(size));
  }
  return Shape(std::span<const int64_t>(signed_sizes));
}

/// One tensor: its claims against each other, then a copy of its bytes, which lie within `data`.
Tensor tensor_of(const Entry& entry, std::span<const std::byte> data, std::string_view where) {
  const auto bad = [&](const std::string& what) {
    return Error(ErrorKind::model, what)
        .where(std::string(where) + ", tensor " + printable(entry.name))
        .hint(kDamaged);
  };
  const std::optional<Dtype> dtype = dtype_named(*entry.dtype);
  if (!dtype) {
    throw bad("unknown dtype")
        .wanted("F32, F64, I64, I32, U8, BOOL, F16 or BF16")
        .got(printable(*entry.dtype))
        .hint("convert the tensor to one of these where the file was made");
  }
  const std::optional<Shape> shape = shape_of(*entry.shape);
  if (!shape) throw bad("the shape has too many elements");
  const uint64_t bytes = static_cast<uint64_t>(shape->elements()) * dtype_size(*dtype);
  const uint64_t begin = (*entry.offsets)[0], size = (*entry.offsets)[1] - begin;
  if (bytes != size) {
    throw bad("shape and offsets disagree")
        .wanted(std::to_string(bytes) + " bytes")
        .got(std::to_string(size));
  }
  const std::span<const std::byte> from = data.subspan(begin, size);
  if (*dtype == Dtype::boolean && std::ranges::any_of(from, [](std::byte b) { return b > std::byte{1}; })) {
    throw bad("a truth value is neither 0 nor 1");
  }
  Tensor tensor(*dtype, *shape);
  if (size > 0) std::memcpy(tensor.raw(), from.data(), size);
  return tensor;
}

/// A JSON string. Throws usage if the text is not UTF-8.
std::string json_string(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::usage, "a name or a metadata text is not UTF-8").got(printable(text));
  }
}

std::string header_of(const SafetensorsFile& file) {
  std::string header = "{";
  if (!file.metadata.empty()) {
    header += json_string(std::string(kMetadataKey)) + ":{";
    for (const auto& [key, value] : file.metadata) {
      header += json_string(key) + ":" + json_string(value) + ",";
    }
    header.back() = '}';
    header += ",";
  }
  std::set<std::string_view> names;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : file.tensors) {
    if (name == kMetadataKey || !names.insert(name).second) {
      throw Error(ErrorKind::usage, "a tensor's name is reserved or taken").got(printable(name));
    }
    std::string sizes;
    for (const int64_t size : tensor.shape().sizes()) {
      if (!sizes.empty()) sizes += ',';
      sizes += std::to_string(size);
    }
    header += json_string(name) + ":{\"data_offsets\":[" + std::to_string(offset) + ",";
    offset += tensor.bytes();
    header += std::to_string(offset) + "],\"dtype\":\"" + std::string(dtype_name(tensor.dtype())) +
              "\",\"shape\":[" + sizes + "]},";
  }
  if (header.back() == ',') header.pop_back();
  header += "}";
  header.resize((header.size() + 7) / 8 * 8,
                ' ');  // the length field is 8 bytes: data starts at a multiple of 8
  if (header.size() > kMaxHeader) {
    throw Error(ErrorKind::usage, "too many tensors or too much metadata for a safetensors header")
        .wanted("at most " + std::to_string(kMaxHeader) + " bytes")
        .got(std::to_string(header.size()));
  }
  return header;
}

}  // namespace

const Tensor* SafetensorsFile::find(std::string_view name) const {
  const auto found =
      std::ranges::find(tensors, name, [](const auto& entry) { return std::string_view(entry.first); });
  return found == tensors.end() ? nullptr : &found->second;
}

int64_t SafetensorsFile::elements() const {
  int64_t total = 0;
  for (const auto& [name, tensor] : tensors) total += tensor.elements();
  return total;
}

SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, std::string_view where) {
  const auto bad = [&](std::string_view what) {
    return Error(ErrorKind::model, what).where(where).hint(kDamaged);
  };
  if (bytes.size() < kLengthBytes + 2) {
    throw bad("too short for a safetensors file")
        .wanted("at least 10 bytes")
        .got(std::to_string(bytes.size()));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  const uint64_t most = std::min<uint64_t>(kMaxHeader, bytes.size() - kLengthBytes);
  if (length > most) {
    throw bad("this is no safetensors file, or it is cut: the header length is too large")
        .wanted("at most " + std::to_string(most))
        .got(std::to_string(length));
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data() + kLengthBytes);
  const std::string_view header(text, length);
  const std::span<const std::byte> data = bytes.subspan(kLengthBytes + length);
  // A leading byte-order mark and what follows a zero byte would be skipped silently: two files in one.
  if (!header.starts_with('{')) throw bad("the header does not start with '{'");
  if (header.find('\0') != header.npos) throw bad("the header holds a zero byte");

  HeaderReader reader{std::string(where)};
  nlohmann::json::sax_parse(header, &reader);

  // Data order; tensors without elements keep their place in the header among those at the same offset.
  std::vector<const Entry*> entries;
  for (const Entry& entry : reader.entries) entries.push_back(&entry);
  std::ranges::sort(entries, {}, [](const Entry* entry) {
    return std::tuple((*entry->offsets)[0], (*entry->offsets)[1], entry);
  });
  uint64_t at = 0;
  for (const Entry* entry : entries) {
    const uint64_t begin = (*entry->offsets)[0], end = (*entry->offsets)[1];
    if (begin != at || end < begin || end > data.size()) {
      throw bad("tensors overlap, leave a gap or pass the end of the file")
          .where(std::string(where) + ", tensor " + printable(entry->name))
          .wanted("offsets from " + std::to_string(at) + " to at most " + std::to_string(data.size()))
          .got(std::to_string(begin) + " to " + std::to_string(end));
    }
    at = end;
  }
  if (at != data.size()) {
    throw bad("the file holds more bytes than its tensors")
        .wanted(std::to_string(at) + " bytes of data")
        .got(std::to_string(data.size()));
  }

  SafetensorsFile file;
  file.metadata = std::move(reader.metadata);
  file.tensors.reserve(entries.size());
  for (const Entry* entry : entries) file.tensors.emplace_back(entry->name, tensor_of(*entry, data, where));
  return file;
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  return parse_safetensors(read_file(path, ErrorKind::model), path.string());
}

std::vector<std::byte> serialize_safetensors(const SafetensorsFile& file) {
  const std::string header = header_of(file);
  const uint64_t length = header.size();
  size_t size = kLengthBytes + header.size();
  for (const auto& [name, tensor] : file.tensors) size += tensor.bytes();

  std::vector<std::byte> bytes(size);
  std::byte* at = bytes.data();
  const auto append = [&at](const void* from, size_t count) {
    if (count > 0) std::memcpy(at, from, count);
    at += count;
  };
  append(&length, kLengthBytes);
  append(header.data(), header.size());
  for (const auto& [name, tensor] : file.tensors) {
    const Tensor dense = tensor.contiguous() ? tensor : tensor.clone();
    append(dense.raw(), dense.bytes());
  }
  return bytes;
}

void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file) {
  write_file(path, serialize_safetensors(file));
}

}  // namespace unfold
