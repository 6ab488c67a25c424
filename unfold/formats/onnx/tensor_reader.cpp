#include "unfold/formats/onnx/tensor_reader.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

namespace unfold::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "only little-endian values are read");

constexpr std::string_view kTypes[] = {
    "UNDEFINED", "FLOAT",      "UINT8",      "INT8",         "UINT16",         "INT16",      "INT32",
    "INT64",     "STRING",     "BOOL",       "FLOAT16",      "DOUBLE",         "UINT32",     "UINT64",
    "COMPLEX64", "COMPLEX128", "BFLOAT16",   "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ",
    "UINT4",     "INT4",       "FLOAT4E2M1", "FLOAT8E8M0",   "UINT2",          "INT2"};

}  // namespace

TensorValue TensorReader::tensor(data_view bytes) {
  TensorValue out;
  std::vector<int64_t> sizes;
  int32_t type = 0;
  std::optional<data_view> raw;
  bool elsewhere = false;
  External external;
  pbf_reader r(bytes);
  while (r.next()) {
    switch (r.tag()) {
      case 1:
        integers(r, sizes);
        break;
      case 2:
        type = static_cast<int32_t>(integer(r));
        break;
      case 3:
        refuse("a tensor in segments");
      case 8:
        out.name = text(r);
        break;
      case 9:
        raw = view(r);
        break;
      case 13: {
        const auto [key, value] = entry(view(r));
        note(key, value, external);
        break;
      }
      case 14:
        elsewhere = integer(r) == 1;
        break;
      default:
        r.skip();
    }
  }
  const Within within(*this, "tensor " + printable(out.name));
  const std::optional<Dtype> dtype = dtype_of(type);
  if (!dtype) {
    out.refused = type_name(type);
    return out;
  }
  const uint64_t elements = count(sizes);
  const uint64_t size = elements * dtype_size(*dtype);  // at most 2^59
  if (elsewhere) {
    check_external(external, size);
  } else if (raw) {
    same(size, raw->size(), "bytes");
  } else {
    same(elements, elements_there(bytes, *dtype), "elements");
  }
  charge(size);
  out.values = Tensor(*dtype, Shape(sizes));
  auto* to = static_cast<std::byte*>(out.values.raw());
  if (elsewhere) {
    external_->read(external.location, external.offset, {to, size}, here());
  } else if (raw) {
    if (size > 0) std::memcpy(to, raw->data(), size);
  } else {
    fill(bytes, *dtype, out.values);
  }
  if (*dtype == Dtype::boolean) {  // any other byte would be no bool
    std::for_each(to, to + size, [](std::byte& b) { b = std::byte{b != std::byte{0}}; });
  }
  return out;
}

void TensorReader::check_type(const TensorValue& value) const {
  if (value.refused.empty()) return;
  throw Error(kind_, "elements of a type that is not read here")
      .where(where_)
      .wanted("FLOAT, DOUBLE, FLOAT16, BFLOAT16, INT64, INT32, UINT8 or BOOL")
      .got(value.refused);
}

uint64_t TensorReader::count(const std::vector<int64_t>& sizes) const {
  constexpr uint64_t kMost = uint64_t{1} << 56;
  if (sizes.size() > Shape::kMaxRank) {
    refuse("a tensor has too many axes", "at most 8", std::to_string(sizes.size()));
  }
  for (const int64_t size : sizes) {
    if (size < 0) refuse("a size is negative", "0 or more", std::to_string(size));
  }
  // A zero among the sizes does not excuse what is too large beside it.
  uint64_t product = 1, all = 1;
  for (const int64_t size : sizes) {
    const auto factor = static_cast<uint64_t>(size);
    if (factor > kMost / all) refuse("a tensor has too many elements", "at most 2^56");
    all *= std::max<uint64_t>(factor, 1);
    product *= factor;
  }
  return product;
}

void TensorReader::note(const std::string& key, const std::string& value, External& out) {
  if (key == "location") out.location = value;
  if (key != "offset" && key != "length") return;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) {
    refuse("external data's " + key, "a number of bytes", printable(value));
  }
  if (key == "offset") {
    out.offset = number;
  } else {
    out.length = number;
  }
}

void TensorReader::check_external(const External& external, uint64_t size) {
  if (!external_) refuse("values in another file", "a model that is one file", printable(external.location));
  if (external.length) same(size, *external.length, "bytes");
  // A file's bytes are to be had once, however many tensors name them.
  budget_ += external_->first_seen(external.location, here());
}

/// Calls body(field) for the fields that can hold elements of this dtype.
template <class F>
void TensorReader::each_data(data_view bytes, Dtype dtype, F body) const {
  const uint32_t wanted = dtype == Dtype::f32 ? 4 : dtype == Dtype::f64 ? 10 : dtype == Dtype::i64 ? 7 : 5;
  pbf_reader r(bytes);
  while (r.next()) {
    if (r.tag() == wanted) {
      body(r);
    } else {
      r.skip();
    }
  }
}

uint64_t TensorReader::elements_there(data_view bytes, Dtype dtype) const {
  uint64_t there = 0;
  each_data(bytes, dtype, [&](pbf_reader& r) {
    if (r.wire_type() != pbf_wire_type::length_delimited) {
      ++there;
      r.skip();
    } else if (dtype == Dtype::f32) {
      there += static_cast<uint64_t>(r.get_packed_float().size());
    } else if (dtype == Dtype::f64) {
      there += static_cast<uint64_t>(r.get_packed_double().size());
    } else {
      const auto range = r.get_packed_int64();
      there += static_cast<uint64_t>(std::distance(range.begin(), range.end()));
    }
  });
  return there;
}

template <class T>
void TensorReader::fill_integers(data_view bytes, Dtype dtype, T* to) const {
  each_data(bytes, dtype, [&](pbf_reader& r) {
    if (r.wire_type() == pbf_wire_type::length_delimited) {
      for (const int64_t value : r.get_packed_int64()) *to++ = static_cast<T>(value);
    } else {
      *to++ = static_cast<T>(integer(r));
    }
  });
}

void TensorReader::fill(data_view bytes, Dtype dtype, Tensor& to) const {
  switch (dtype) {
    case Dtype::f32:
      each_data(bytes, dtype, [p = to.data<float>(), this](pbf_reader& r) mutable {
        if (r.wire_type() == pbf_wire_type::length_delimited) {
          for (const float value : r.get_packed_float()) *p++ = value;
        } else {
          want(r, pbf_wire_type::fixed32);
          *p++ = r.get_float();
        }
      });
      break;
    case Dtype::f64:
      each_data(bytes, dtype, [p = to.data<double>(), this](pbf_reader& r) mutable {
        if (r.wire_type() == pbf_wire_type::length_delimited) {
          for (const double value : r.get_packed_double()) *p++ = value;
        } else {
          want(r, pbf_wire_type::fixed64);
          *p++ = r.get_double();
        }
      });
      break;
    case Dtype::i64:
      fill_integers(bytes, dtype, to.data<int64_t>());
      break;
    case Dtype::i32:
      fill_integers(bytes, dtype, to.data<int32_t>());
      break;
    case Dtype::u8:
    case Dtype::boolean:
      fill_integers(bytes, dtype, static_cast<uint8_t*>(to.raw()));
      break;
    case Dtype::f16:
    case Dtype::bf16:
      fill_integers(bytes, dtype, static_cast<uint16_t*>(to.raw()));
      break;
  }
}

std::optional<Dtype> dtype_of(int32_t type) {
  switch (type) {
    case 1:
      return Dtype::f32;
    case 2:
      return Dtype::u8;
    case 6:
      return Dtype::i32;
    case 7:
      return Dtype::i64;
    case 9:
      return Dtype::boolean;
    case 10:
      return Dtype::f16;
    case 11:
      return Dtype::f64;
    case 16:
      return Dtype::bf16;
    default:
      return std::nullopt;
  }
}

int32_t type_of(Dtype dtype) {
  int32_t type = 1;
  while (dtype_of(type) != dtype) ++type;
  return type;
}

std::string type_name(int32_t type) {
  if (type >= 0 && type < static_cast<int32_t>(std::size(kTypes))) return std::string(kTypes[type]);
  return "type " + std::to_string(type);
}

}  // namespace unfold::onnx
