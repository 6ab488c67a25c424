#include "unfold/explain/page.h"

#include <algorithm>
#include <span>

#include "unfold/data/sha256.h"
#include "unfold/embedded_file.h"
#include "unfold/error.h"
#include "unfold/explain/page_json.h"
#include "unfold/train/html.h"

namespace unfold {
namespace {

using page_json::Json, page_json::packed, page_json::sizes;

/// One packed text an image.
Json by_image(const std::vector<float>& values, int64_t images) {
  Json list = Json::array();
  const auto each = values.size() / static_cast<size_t>(images);
  for (size_t i = 0; i < static_cast<size_t>(images); ++i)
    list.push_back(packed(std::span(values).subspan(i * each, each)));
  return list;
}

/// The scripts as one: each file's imports are the files before it, so these lines go, and so does `export`.
std::string joined_scripts() {
  std::string script;
  for (const EmbeddedFile& file : page_files()) {
    if (!file.name.ends_with(".js")) continue;
    for (std::string_view rest = file.text; !rest.empty();) {
      const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end);
      if (line.starts_with("import ")) continue;
      if (line.starts_with("export ")) line.remove_prefix(7);
      script += line;
    }
  }
  return script;
}

std::string_view page_file(std::string_view name) {
  for (const EmbeddedFile& file : page_files()) {
    if (file.name == name) return file.text;
  }
  throw Error(ErrorKind::runtime, "the program was built without a part of its page")
      .where(std::string(name));
}

std::string hash_of(std::string_view script) {
  const std::string hex = sha256(std::as_bytes(std::span(script)));
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return html::base64(bytes);
}

}  // namespace

std::string trace_json(const Model& model, const Trace& trace, const Explained& explained) {
  const Graph& graph = model.graph;
  const std::vector<ExplainedImage>& images = explained.images;
  Json page = {{"format", "unfold-explain"},
               {"version", 1},
               {"model", model.name},
               {"trained_on", model.trained_on},
               {"engine", std::string(engine_name(trace.engine))},
               {"classes", model.classes},
               {"lr", trace.lr},
               {"adam", {{"beta1", 0.9}, {"beta2", 0.999}, {"epsilon", 1e-8}}}};
  for (size_t i = 0; i < static_cast<size_t>(trace.images); ++i) {
    page["images"].push_back({{"name", images.at(i).name},
                              {"picture", images.at(i).picture},
                              {"class", trace.classes[i]},
                              {"loss", trace.losses[i]},
                              {"seen", page_json::seen(images[i].seen, packed, packed)}});
  }
  page["first"] = explained.first;
  if (explained.patches) {
    const LayerPatches& seen = *explained.patches;
    page["patches"] = page_json::patches(seen, seen.h, seen.w, packed);
  }
  for (size_t i = 0; i < graph.nodes().size(); ++i)
    page["layers"].push_back(page_json::layer(model, trace.times[i], i));
  for (int v = 0; v < graph.values(); ++v) {
    const auto at = static_cast<size_t>(v);
    page["values"].push_back({{"shape", sizes(graph.shape({v}))},
                              {"data", by_image(trace.values[at], trace.images)},
                              {"gradient", by_image(trace.gradients[at], trace.images)}});
  }
  const ParameterTable& table = model.parameters.table();
  for (int p = 0; p < static_cast<int>(table.slices().size()); ++p) {
    const auto part = [&](const Parameters<float>& of) {
      return packed({of.slice(p), static_cast<size_t>(table[p].shape.elements())});
    };
    page["parameters"].push_back({{"name", table[p].name},
                                  {"shape", sizes(table[p].shape)},
                                  {"data", part(model.parameters)},
                                  {"gradient", part(trace.gradient)},
                                  {"m", part(trace.first_moment)},
                                  {"v", part(trace.second_moment)},
                                  {"after", part(trace.after)}});
  }
  return page_json::text(page);
}

int64_t explain_page_bytes(const Model& model, int64_t images) {
  // Weights with gradient, two moments and what they become; values with gradients; four bytes as six
  // characters of base64 and quotes, about.
  int64_t floats = 5 * model.parameters.table().count();
  for (int v = 0; v < model.graph.values(); ++v) floats += 2 * images * model.graph.shape({v}).elements();
  return floats * 16 / 3;
}

std::string explain_page(const std::string& json, const std::string& title, const std::string& program) {
  std::string data;  // no text in it may end the element it stands in
  for (const char c : json) c == '<' ? data += "\\u003c" : data += c;
  const std::string script = joined_scripts();
  std::string page;
  for (std::string_view rest = page_file("page.html"); !rest.empty();) {
    const size_t open = rest.find("{{");
    page += rest.substr(0, open);
    if (open == std::string_view::npos) break;
    const size_t close = rest.find("}}", open);
    const std::string_view name = rest.substr(open + 2, close - open - 2);
    rest.remove_prefix(close + 2);
    page += name == "title"     ? html::escape(title)
            : name == "program" ? html::escape(program)
            : name == "hash"    ? hash_of(script)
            : name == "style"   ? std::string(page_file("style.css"))
            : name == "script"  ? script
                                : data;
  }
  return page;
}

}  // namespace unfold
