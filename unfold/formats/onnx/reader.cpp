#include "unfold/formats/onnx/reader.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "unfold/files.h"
#include "unfold/formats/onnx/external_data.h"
#include "unfold/formats/printable.h"

namespace unfold::onnx {
namespace {

using protozero::data_view;
using protozero::pbf_reader;
using protozero::pbf_wire_type;

static_assert(std::endian::native == std::endian::little, "only little-endian values are read");

constexpr std::string_view kTypes[] = {
    "UNDEFINED", "FLOAT",      "UINT8",      "INT8",         "UINT16",         "INT16",      "INT32",
    "INT64",     "STRING",     "BOOL",       "FLOAT16",      "DOUBLE",         "UINT32",     "UINT64",
    "COMPLEX64", "COMPLEX128", "BFLOAT16",   "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ",
    "UINT4",     "INT4",       "FLOAT4E2M1", "FLOAT8E8M0",   "UINT2",          "INT2"};
/// Fields of an attribute that are not read here.
struct UnreadField {
  uint32_t tag;
  std::string_view kind;
};
constexpr UnreadField kUnread[] = {{6, "a graph"},        {10, "tensors"}, {11, "graphs"},
                                   {14, "a type"},        {15, "types"},   {22, "a sparse tensor"},
                                   {23, "sparse tensors"}};
constexpr std::string_view kHint =
    "write it again with its exporter, or fetch it again: a download may have been cut";

class Reader {
 public:
  Reader(ErrorKind kind, std::string_view where, uint64_t bytes, ExternalData* external)
      : kind_(kind), where_(where), external_(external) {
    constexpr uint64_t kLeast = uint64_t{48} << 20;
    budget_ = kLeast + 3 * bytes;
  }

  Model model(data_view bytes) {
    Model model;
    bool graph = false;
    pbf_reader r(bytes);
    while (r.next()) {
      switch (r.tag()) {
        case 1:
          model.ir_version = integer(r);
          break;
        case 2:
          model.producer = text(r);
          break;
        case 7:
          if (graph) refuse("the model has two graphs");
          graph = true;
          model.graph = this->graph(view(r));
          break;
        case 8:
          opset(view(r), model);
          break;
        default:
          r.skip();
      }
    }
    if (!graph) refuse("no graph: this is no ONNX model", "a ModelProto");
    return model;
  }

  TensorValue tensor(data_view bytes) {
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
        case 13:
          entry(view(r), external);
          break;
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

  void check_type(const TensorValue& value) const {
    if (value.refused.empty()) return;
    throw Error(kind_, "elements of a type that is not read here")
        .where(where_)
        .wanted("FLOAT, DOUBLE, FLOAT16, BFLOAT16, INT64, INT32, UINT8 or BOOL")
        .got(value.refused);
  }

 private:
  struct External {
    std::string location;
    uint64_t offset = 0;
    std::optional<uint64_t> length;
  };

  /// Where in the file we are, for messages.
  class Within {
   public:
    Within(Reader& reader, std::string name) : reader_(reader) { reader_.path_.push_back(std::move(name)); }
    ~Within() { reader_.path_.pop_back(); }
    Within(const Within&) = delete;
    Within& operator=(const Within&) = delete;

   private:
    Reader& reader_;
  };

  std::string here() const {
    std::string text = where_;
    for (const std::string& part : path_) text += ": " + part;
    return text;
  }

  [[noreturn]] void refuse(std::string_view what, std::string_view wanted = {},
                           std::string_view got = {}) const {
    throw Error(kind_, what).where(here()).wanted(wanted).got(got).hint(kHint);
  }

  void same(uint64_t wanted, uint64_t got, const std::string& unit) const {
    if (wanted == got) return;
    refuse("the values do not fill the tensor's shape", std::to_string(wanted) + " " + unit,
           std::to_string(got));
  }

  /// What is kept is paid for before it is made.
  void charge(uint64_t bytes) {
    if (bytes > budget_) refuse("the file unpacks to more than 48 MiB and three times its bytes");
    budget_ -= bytes;
  }

  template <class T>
  T& add(std::vector<T>& list, T value) {
    charge(2 * sizeof(T));  // a vector that grows holds up to twice its elements
    return list.emplace_back(std::move(value));
  }

  void want(const pbf_reader& r, pbf_wire_type type) const {
    if (r.wire_type() != type) {
      refuse("a field is encoded as another kind", "wire type " + std::to_string(static_cast<int>(type)),
             std::to_string(static_cast<int>(r.wire_type())));
    }
  }

  int64_t integer(pbf_reader& r) const {
    want(r, pbf_wire_type::varint);
    return r.get_int64();
  }

  data_view view(pbf_reader& r) const {
    want(r, pbf_wire_type::length_delimited);
    return r.get_view();
  }

  std::string text(pbf_reader& r) {
    const data_view v = view(r);
    charge(v.size());
    return {v.data(), v.size()};
  }

  /// Repeated integers, packed or one by one.
  void integers(pbf_reader& r, std::vector<int64_t>& to) {
    if (r.wire_type() == pbf_wire_type::varint) {
      add(to, r.get_int64());
      return;
    }
    want(r, pbf_wire_type::length_delimited);
    for (const int64_t value : r.get_packed_int64()) add(to, value);
  }

  void floats(pbf_reader& r, std::vector<float>& to) {
    if (r.wire_type() == pbf_wire_type::fixed32) {
      add(to, r.get_float());
      return;
    }
    want(r, pbf_wire_type::length_delimited);
    for (const float value : r.get_packed_float()) add(to, value);
  }

  void opset(data_view bytes, Model& model) {
    std::string domain;
    int64_t version = 0;
    pbf_reader r(bytes);
    while (r.next()) {
      if (r.tag() == 1) {
        domain = text(r);
      } else if (r.tag() == 2) {
        version = integer(r);
      } else {
        r.skip();
      }
    }
    constexpr uint64_t kEntry = 128;
    charge(kEntry);
    model.opsets[domain == "ai.onnx" ? "" : domain] = version;
  }

  Graph graph(data_view bytes) {
    Graph graph;
    pbf_reader r(bytes);
    while (r.next()) {
      switch (r.tag()) {
        case 1:
          add(graph.nodes, node(view(r), graph.nodes.size()));
          break;
        case 2:
          graph.name = text(r);
          break;
        case 5:
          add(graph.initializers, tensor(view(r)));
          break;
        case 11:
          add(graph.inputs, value_info(view(r)));
          break;
        case 12:
          add(graph.outputs, value_info(view(r)));
          break;
        case 15:
          refuse("a sparse initializer, which is not read here");
        default:
          r.skip();
      }
    }
    return graph;
  }

  Node node(data_view bytes, size_t index) {
    const Within within(*this, "node " + std::to_string(index));
    Node node;
    pbf_reader r(bytes);
    while (r.next()) {
      switch (r.tag()) {
        case 1:
          add(node.inputs, text(r));
          break;
        case 2:
          add(node.outputs, text(r));
          break;
        case 3:
          node.name = text(r);
          break;
        case 4:
          node.op_type = text(r);
          break;
        case 5:
          add(node.attributes, attribute(view(r)));
          break;
        case 7:
          node.domain = text(r);
          break;
        default:
          r.skip();
      }
    }
    if (node.op_type.empty()) refuse("a node without an operator");
    if (node.domain == "ai.onnx") node.domain.clear();
    return node;
  }

  /// The kind of an attribute: what its field `type` says, or in the oldest files the one field that is
  /// there.
  Attribute attribute(data_view bytes) {
    Attribute out;
    std::vector<int64_t> ints;
    std::vector<float> numbers;
    std::vector<std::string> strings;
    std::optional<int64_t> i;
    std::optional<float> f;
    std::optional<std::string> s;
    std::optional<data_view> t;
    std::string_view unread = "nothing";
    int64_t type = 0;
    pbf_reader r(bytes);
    while (r.next()) {
      switch (r.tag()) {
        case 1:
          out.name = text(r);
          break;
        case 2:
          want(r, pbf_wire_type::fixed32);
          f = r.get_float();
          break;
        case 3:
          i = integer(r);
          break;
        case 4:
          s = text(r);
          break;
        case 5:
          t = view(r);
          break;
        case 7:
          floats(r, numbers);
          break;
        case 8:
          integers(r, ints);
          break;
        case 9:
          add(strings, text(r));
          break;
        case 20:
          type = integer(r);
          break;
        default:
          if (const auto* found = std::ranges::find(kUnread, r.tag(), &UnreadField::tag);
              found != std::end(kUnread)) {
            unread = found->kind;
          }
          r.skip();
      }
    }
    const Within within(*this, "attribute " + printable(out.name));
    if (out.name.empty()) refuse("an attribute without a name");
    // The numbers of AttributeProto.AttributeType.
    if (type == 1 || (type == 0 && f)) {
      out.value = f.value_or(0.0f);
    } else if (type == 2 || (type == 0 && i)) {
      out.value = i.value_or(0);
    } else if (type == 3 || (type == 0 && s)) {
      out.value = s.value_or("");
    } else if ((type == 4 || type == 0) && t) {
      out.value = tensor(*t);
    } else if (type == 6 || (type == 0 && !numbers.empty())) {
      out.value = std::move(numbers);
    } else if (type == 7 || (type == 0 && !ints.empty())) {
      out.value = std::move(ints);
    } else if (type == 8 || (type == 0 && !strings.empty())) {
      out.value = std::move(strings);
    } else {
      out.value = Unread{std::string(unread)};
    }
    return out;
  }

  ValueInfo value_info(data_view bytes) {
    ValueInfo out;
    pbf_reader r(bytes);
    while (r.next()) {
      if (r.tag() == 1) {
        out.name = text(r);
      } else if (r.tag() == 2) {
        pbf_reader type(view(r));
        while (type.next()) {
          if (type.tag() == 1) {
            tensor_type(view(type), out);
          } else {
            type.skip();
          }
        }
      } else {
        r.skip();
      }
    }
    return out;
  }

  void tensor_type(data_view bytes, ValueInfo& out) {
    pbf_reader r(bytes);
    while (r.next()) {
      if (r.tag() == 1) {
        out.type = static_cast<int32_t>(integer(r));
      } else if (r.tag() == 2) {
        out.shape.emplace();
        pbf_reader shape(view(r));
        while (shape.next()) {
          if (shape.tag() == 1) {
            add(*out.shape, dimension(view(shape)));
          } else {
            shape.skip();
          }
        }
      } else {
        r.skip();
      }
    }
  }

  int64_t dimension(data_view bytes) const {
    int64_t size = -1;
    pbf_reader r(bytes);
    while (r.next()) {
      if (r.tag() == 1) {
        size = std::max<int64_t>(integer(r), -1);
      } else {
        r.skip();
      }
    }
    return size;
  }

  uint64_t count(const std::vector<int64_t>& sizes) const {
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

  void entry(data_view bytes, External& out) {
    std::string key, value;
    pbf_reader r(bytes);
    while (r.next()) {
      if (r.tag() == 1) {
        key = text(r);
      } else if (r.tag() == 2) {
        value = text(r);
      } else {
        r.skip();
      }
    }
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

  void check_external(const External& external, uint64_t size) {
    if (!external_)
      refuse("values in another file", "a model that is one file", printable(external.location));
    if (external.length) same(size, *external.length, "bytes");
    // A file's bytes are to be had once, however many tensors name them.
    budget_ += external_->first_seen(external.location, here());
  }

  /// Calls body(field) for the fields that can hold elements of this dtype.
  template <class F>
  void each_data(data_view bytes, Dtype dtype, F body) const {
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

  uint64_t elements_there(data_view bytes, Dtype dtype) const {
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
  void fill_integers(data_view bytes, Dtype dtype, T* to) const {
    each_data(bytes, dtype, [&](pbf_reader& r) {
      if (r.wire_type() == pbf_wire_type::length_delimited) {
        for (const int64_t value : r.get_packed_int64()) *to++ = static_cast<T>(value);
      } else {
        *to++ = static_cast<T>(integer(r));
      }
    });
  }

  void fill(data_view bytes, Dtype dtype, Tensor& to) const {
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

  ErrorKind kind_;
  std::string where_;
  ExternalData* external_;
  uint64_t budget_;
  std::vector<std::string> path_;
};

data_view view_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Runs `read`; what the wire format's reader throws becomes an Error.
template <class F>
auto translated(ErrorKind kind, std::string_view where, F read) {
  try {
    return read();
  } catch (const protozero::exception& e) {
    throw Error(kind, "this is no ONNX file, or a part of one is missing")
        .where(where)
        .got(e.what())
        .hint(kHint);
  }
}

Model read(std::span<const std::byte> bytes, std::string_view where, ExternalData* external) {
  return translated(ErrorKind::model, where, [&] {
    return Reader(ErrorKind::model, where, bytes.size(), external).model(view_of(bytes));
  });
}

}  // namespace

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

std::string type_name(int32_t type) {
  if (type >= 0 && type < static_cast<int32_t>(std::size(kTypes))) return std::string(kTypes[type]);
  return "type " + std::to_string(type);
}

Model parse_model(std::span<const std::byte> bytes, std::string_view where) {
  return read(bytes, where, nullptr);
}

Model read_model(const std::filesystem::path& path) {
  ExternalData external(path.parent_path());
  return read(read_file(path, ErrorKind::model), path.string(), &external);
}

Tensor parse_tensor(std::span<const std::byte> bytes, std::string_view where) {
  return translated(ErrorKind::data, where, [&] {
    Reader reader(ErrorKind::data, where, bytes.size(), nullptr);
    TensorValue value = reader.tensor(view_of(bytes));
    reader.check_type(value);
    return std::move(value.values);
  });
}

}  // namespace unfold::onnx
