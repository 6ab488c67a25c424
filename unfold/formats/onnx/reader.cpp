#include "unfold/formats/onnx/reader.h"

#include <algorithm>
#include <protozero/exception.hpp>

#include "unfold/files.h"
#include "unfold/formats/onnx/tensor_reader.h"

namespace unfold::onnx {
namespace {

/// Fields of an attribute that are not read here.
struct UnreadField {
  uint32_t tag;
  std::string_view kind;
};
constexpr UnreadField kUnread[] = {{6, "a graph"},        {10, "tensors"}, {11, "graphs"},
                                   {14, "a type"},        {15, "types"},   {22, "a sparse tensor"},
                                   {23, "sparse tensors"}};

/// Everything around the tensors.
class ModelReader : public TensorReader {
 public:
  using TensorReader::TensorReader;

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
        case 14:
          charge(kEntry);
          model.metadata.insert(entry(view(r)));
          break;
        default:
          r.skip();
      }
    }
    if (!graph) refuse("no graph: this is no ONNX model", "a ModelProto");
    return model;
  }

 private:
  static constexpr uint64_t kEntry = 128;  // bytes of a map's entry, about

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
    return ModelReader(ErrorKind::model, where, bytes.size(), external).model(view_of(bytes));
  });
}

}  // namespace

Model parse_model(std::span<const std::byte> bytes, std::string_view where) {
  return read(bytes, where, nullptr);
}

Model read_model(const std::filesystem::path& path) {
  ExternalData external(path.parent_path());
  return read(read_file(path, ErrorKind::model), path.string(), &external);
}

Tensor parse_tensor(std::span<const std::byte> bytes, std::string_view where) {
  return translated(ErrorKind::data, where, [&] {
    TensorReader reader(ErrorKind::data, where, bytes.size(), nullptr);
    TensorValue value = reader.tensor(view_of(bytes));
    reader.check_type(value);
    return std::move(value.values);
  });
}

}  // namespace unfold::onnx
