#include "unfold/formats/network_file.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>

#include "unfold/files.h"
#include "unfold/formats/json_message.h"
#include "unfold/formats/layer_types.h"
#include "unfold/suggest.h"

namespace unfold {
namespace {

using Json = nlohmann::ordered_json;
using Names = std::vector<std::string>;

constexpr uint64_t kMostBytes = uint64_t{16} << 20;
constexpr size_t kMostLayers = 10000;
constexpr int kMostDepth = 32;  // what shows a value walks into it
constexpr const char* kInput = "input";

std::string shown(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80);
}

std::string lower(std::string_view word) {
  std::string result(word);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

Error wrong(std::string_view what, const std::string& where) {
  return Error(ErrorKind::model, what).where(where).hint("docs/models.md says how a network is written");
}

/// An operator's or a graph's error, of this layer.
Error wrong(const Error& e, const std::string& where) {
  return e.hint().empty() ? wrong(e.what(), where) : wrong(e.what(), where).hint(e.hint());
}

Error unknown(std::string_view what, const std::string& word, const Names& names, const std::string& where) {
  const std::string nearest = did_you_mean(word, names);
  std::string hint = nearest.empty() ? "" : "did you mean '" + nearest + "'? ";
  hint += "there is";
  for (size_t i = 0; i < names.size(); ++i) hint += (i ? ", " : " ") + names[i];
  return wrong("unknown " + std::string(what) + " '" + word + "'", where).hint(hint);
}

/// The members of an object must be among these.
void only(const Json& object, const Names& names, std::string_view what, const std::string& where) {
  if (!object.is_object()) throw wrong("this is no JSON object", where).got(shown(object));
  for (const auto& [key, value] : object.items()) {
    if (std::find(names.begin(), names.end(), key) == names.end()) throw unknown(what, key, names, where);
  }
}

std::string text_of(const Json& object, const char* key, const std::string& otherwise,
                    const std::string& where) {
  if (!object.contains(key)) return otherwise;
  const Json& value = object[key];
  if (!value.is_string() || value.get<std::string>().empty())
    throw wrong(std::string(key) + " has the wrong type", where).wanted("a text").got(shown(value));
  return value.get<std::string>();
}

const LayerType& type_named(const std::string& name, const std::string& where) {
  for (const LayerType& type : known_layers()) {
    for (const std::string_view known : type.names) {
      if (lower(known) == lower(name)) return type;
    }
  }
  throw unknown("layer type", name, layer_types(), where);
}

/// The numbers of one setting, as the operator's attributes have them.
std::vector<double> numbers_of(const LayerSetting& setting, const Json& value, int64_t classes,
                               const std::string& where) {
  const auto refuse = [&](const char* wanted) {
    return wrong(std::string(setting.name) + " has the wrong type", where).wanted(wanted).got(shown(value));
  };
  const auto whole = [](const Json& v) { return v.is_number_integer(); };
  std::vector<double> list;
  if (value.is_array()) {
    for (const Json& item : value) {
      if (!whole(item)) throw refuse("whole numbers");
      list.push_back(item.get<double>());
    }
  }
  const double one = value.is_number() ? value.get<double>() : 0;
  switch (setting.kind) {
    case SettingKind::count:
      if (value == "classes") return {static_cast<double>(classes)};
      if (!whole(value)) throw refuse("a whole number, or \"classes\"");
      return {one};
    case SettingKind::number:
      if (!value.is_number()) throw refuse("a number");
      return {one};
    case SettingKind::flag:
      if (!value.is_boolean()) throw refuse("true or false");
      return {value.get<bool>() ? 1.0 : 0.0};
    case SettingKind::pair:
      if (list.size() == 2) return list;
      if (!whole(value)) throw refuse("a whole number, or [height, width]");
      return {one, one};
    case SettingKind::padding:
      if (list.size() == 2) return {list[0], list[1], list[0], list[1]};
      if (list.size() == 4) return {list[2], list[0], list[3], list[1]};
      if (!whole(value)) throw refuse("a whole number, [height, width], or [left, right, top, bottom]");
      return {one, one, one, one};
    case SettingKind::list:
      if (!value.is_array()) throw refuse("a list of whole numbers");
      return list;
  }
  return {};
}

/// The operator of one layer. `inputs`: how many it has.
std::shared_ptr<const Op> op_of(const LayerType& type, const Json& layer, size_t inputs, int64_t classes,
                                const std::string& where) {
  Names names = {"type", "name", "inputs"};
  for (const LayerSetting& setting : type.settings) names.emplace_back(setting.name);
  only(layer, names, "setting of " + std::string(type.names.front()), where);
  Attributes attributes = type.fixed;
  for (const LayerSetting& setting : type.settings) {
    const std::string attribute(setting.attribute.empty() ? setting.name : setting.attribute);
    const std::string name(layer.contains(setting.name) ? setting.name : setting.like);
    if (!name.empty() && layer.contains(name)) {
      attributes[attribute] = numbers_of(setting, layer[name], classes, where);
    } else if (!setting.otherwise.empty()) {
      attributes[attribute] = setting.otherwise;
    } else {
      throw wrong("a setting is missing", where).wanted(setting.like.empty() ? setting.name : setting.like);
    }
  }
  if (type.op == "Concat") {  // PyTorch counts the images as axis 0, an operator sees one image
    if (--attributes["axis"][0] < 0) {
      throw wrong("dim is out of range", where)
          .wanted("1 (the channels), 2 or 3")
          .got(shown(layer.value("dim", Json(1))));
    }
    attributes["inputs"] = {static_cast<double>(inputs)};
  }
  try {
    return make_op(type.op, attributes);
  } catch (const Error& e) {
    throw wrong(e, where);
  }
}

/// The file, checked as far as it can be without an input.
struct File {
  std::string where;
  Json layers;

  Graph make(const Shape& image, int64_t classes) const {
    Graph graph;
    std::map<std::string, ValueId> values{{kInput, graph.input(image)}};
    Names names{kInput};
    std::map<std::string, int> counts;
    for (const Json& layer : layers) {
      const std::string at = where + ": layer " + std::to_string(names.size());
      if (!layer.is_object()) throw wrong("a layer is a JSON object", at).got(shown(layer));
      const std::string called = text_of(layer, "type", "", at);
      if (called.empty())
        throw wrong("the layer's type is missing", at).wanted("\"type\": \"Conv2d\", for example");
      const LayerType& type = type_named(called, at);
      const std::string usual = lower(type.names.front());
      const std::string name = text_of(layer, "name", usual + std::to_string(++counts[usual]), at);
      const std::string named = at + ", " + name;
      if (values.contains(name)) throw wrong("another layer, or the input, has this name", named).got(name);
      const std::vector<ValueId> inputs = inputs_of(layer, names, values, named);
      try {
        values[name] = graph.add(name, op_of(type, layer, inputs.size(), classes, named), inputs);
      } catch (const Error& e) {
        if (e.kind() == ErrorKind::model) throw;
        throw wrong(e, at);  // of the graph, which names the layer itself
      }
      names.push_back(name);
    }
    const Shape out = graph.shape(graph.output());
    if (out != Shape{classes}) {
      throw wrong("the last layer's output is no row of class scores", where + ": " + names.back())
          .wanted(Shape{classes}.text())
          .got(out.text())
          .hint("end with Flatten and {\"type\": \"Linear\", \"out_features\": \"classes\"}");
    }
    return graph;
  }

 private:
  static std::vector<ValueId> inputs_of(const Json& layer, const Names& names,
                                        const std::map<std::string, ValueId>& values,
                                        const std::string& where) {
    if (!layer.contains("inputs")) return {values.at(names.back())};
    const Json& given = layer["inputs"];
    std::vector<ValueId> inputs;
    for (const Json& one : given.is_array() ? given : Json::array({given})) {
      if (!one.is_string()) {
        throw wrong("inputs has the wrong type", where)
            .wanted("names of layers before this one")
            .got(shown(given));
      }
      const auto found = values.find(one.get<std::string>());
      if (found == values.end()) throw unknown("input", one.get<std::string>(), names, where);
      inputs.push_back(found->second);
    }
    return inputs;
  }
};

int64_t whole_of(const Json& json, const char* key, int64_t otherwise, int64_t most,
                 const std::string& where) {
  if (!json.contains(key)) return otherwise;
  const Json& value = json[key];
  const double number = value.is_number_integer() ? value.get<double>() : 0;
  if (!(number >= 1 && number <= static_cast<double>(most))) {
    throw wrong(std::string(key) + " is out of range", where)
        .wanted("1 to " + std::to_string(most))
        .got(shown(value));
  }
  return value.get<int64_t>();
}

Shape input_of(const Json& json, const std::string& where) {
  const auto fits = [](const Json& list) {
    const auto side = [](const Json& v) {
      return v.is_number_integer() && v.get<double>() >= 1 && v.get<double>() <= 1 << 20;
    };
    return list.is_array() && list.size() == 3 && std::all_of(list.begin(), list.end(), side) &&
           list[0].get<double>() * list[1].get<double>() * list[2].get<double>() <= 1 << 30;
  };
  if (!json.contains("input") || !fits(json["input"])) {
    throw wrong("the shape of the input is missing or cannot be", where)
        .wanted("\"input\": [channels, height, width]")
        .got(json.contains("input") ? shown(json["input"]) : "nothing");
  }
  return Shape(json["input"].get<std::vector<int64_t>>());
}

Init init_of(const Json& json, const std::string& where) {
  const std::string name = text_of(json, "init", "pytorch", where);
  if (name == "pytorch") return Init::pytorch;
  if (name == "kaiming") return Init::kaiming;
  if (name == "article") return Init::article;
  throw unknown("init", name, {"pytorch", "kaiming", "article"}, where);
}

}  // namespace

std::vector<std::string> layer_types() {
  Names names;
  for (const LayerType& type : known_layers()) names.emplace_back(type.names.front());
  return names;
}

Network parse_network(std::string_view text, std::string_view where_from) {
  const std::string where(where_from);
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMostDepth) throw wrong("lists within lists without end", where);
    return true;
  };
  Json json;
  try {
    json = Json::parse(text, shallow, true, true);  // with comments
  } catch (const Json::exception& e) {
    throw wrong("this is no JSON", where).got(json_message(e));
  }
  only(json, {"name", "input", "classes", "init", "layers"}, "member of a network", where);
  Network network;
  network.name = text_of(json, "name", std::filesystem::path(where).stem().string(), where);
  const auto plain = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; };
  if (network.name.empty() || network.name.front() == '.' || network.name.size() > 100 ||
      !std::all_of(network.name.begin(), network.name.end(), plain)) {
    throw wrong("a network's name is that of its runs' folders", where)
        .wanted("\"name\" of letters, digits, - and _")
        .got(network.name);
  }
  network.image = input_of(json, where);
  network.classes = whole_of(json, "classes", 10, kMaxClasses, where);
  network.init = init_of(json, where);
  if (!json.contains("layers") || !json["layers"].is_array() || json["layers"].empty() ||
      json["layers"].size() > kMostLayers) {
    throw wrong("the layers are missing", where)
        .wanted("\"layers\": a list of 1 to " + std::to_string(kMostLayers))
        .got(json.contains("layers") ? shown(json["layers"]) : "nothing");
  }
  const auto file = std::make_shared<const File>(File{where, json["layers"]});
  network.make = [file](const Shape& image, int64_t classes) { return file->make(image, classes); };
  network.make(network.image, network.classes);  // what cannot be is said now
  return network;
}

Network read_network(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_file(path, ErrorKind::model, kMostBytes);
  return parse_network({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

}  // namespace unfold
