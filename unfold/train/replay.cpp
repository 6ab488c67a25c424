#include "unfold/train/replay.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "unfold/files.h"
#include "unfold/formats/json_number.h"
#include "unfold/train/html.h"

namespace unfold {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxFile = uint64_t{1} << 28;  // bytes

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool elementwise(const Node& node) {
  return node.op->type() == "Relu" || node.op->type() == "Tanh" || node.op->type() == "Sigmoid";
}

/// The nodes whose outputs are maps worth a look: those of shape (C, H, W), without convolutions whose only
/// reader is an activation.
std::vector<const Node*> map_nodes(const Graph& graph) {
  std::vector<const Node*> nodes;
  for (const Node& node : graph.nodes()) {
    int readers = 0, activations = 0;
    for (const Node& other : graph.nodes()) {
      for (const ValueId v : other.inputs) {
        if (v == node.output) ++readers, activations += elementwise(other);
      }
    }
    const bool passing = node.op->type() == "Conv2d" && readers == 1 && activations == 1;
    if (graph.shape(node.output).rank() == 3 && !passing) nodes.push_back(&node);
  }
  return nodes;
}

/// The convolution that reads the image, or null.
const Node* first_layer(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    if (node.op->type() == "Conv2d" && node.inputs[0] == graph.input()) return &node;
  }
  return nullptr;
}

int filters_of(const Model& model) {
  return model.parameters.table().find(first_layer(model.graph)->name + ".weight");
}

Json sizes(const Shape& shape) {
  return std::vector<int64_t>(shape.sizes().begin(), shape.sizes().end());
}

/// {"low": .., "high": .., "data": base64 of a byte each}: a byte b is low + b / 255 * (high - low).
Json quantised(std::span<const float> values) {
  double low = 0, high = 0;  // 0 is always in the range: its colour is that of nothing
  for (const float v : values) {
    if (!std::isfinite(v)) continue;
    low = std::min(low, static_cast<double>(v));
    high = std::max(high, static_cast<double>(v));
  }
  const double scale = high > low ? 255 / (high - low) : 0;
  std::vector<uint8_t> bytes;
  for (const float v : values) {
    const double byte = std::isfinite(v) ? (v - low) * scale : v > 0 ? 255 : 0;
    bytes.push_back(static_cast<uint8_t>(std::lround(std::clamp(byte, 0.0, 255.0))));
  }
  return {{"low", low}, {"high", high}, {"data", html::base64(bytes)}};
}

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

std::string line_text(const Json& json) {
  return dump(json) + "\n";
}

std::vector<std::string> lines_of(const fs::path& file) {
  const std::vector<std::byte> bytes = read_file(file, ErrorKind::data, kMaxFile);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<std::string> lines;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    lines.emplace_back(text.substr(0, end));  // what follows the last line end was cut off
    text.remove_prefix(end + 1);
  }
  return lines;
}

Error bad_line(const fs::path& file, size_t line) {
  return Error(ErrorKind::data, "this line of the replay cannot be understood")
      .where(file.string() + ", line " + std::to_string(line + 1))
      .hint("remove the file: the report is then made without a replay");
}

/// Whether `text` is base64 of as many bytes as the shape has elements.
bool fits(const Json& text, const Json& shape, size_t rank) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (!shape.is_array() || shape.size() != rank) return false;
  int64_t elements = 1;
  for (const Json& size : shape) {
    const auto n = whole_number<int64_t>(size);
    if (n < 1 || n > int64_t{1} << 20) return false;
    elements *= n;
    if (elements > int64_t{1} << 24) return false;
  }
  const auto& data = text.get_ref<const std::string&>();
  if (static_cast<int64_t>(data.size()) != (elements + 2) / 3 * 4) return false;
  const size_t end = data.find_first_not_of(kDigits);
  const auto padding = static_cast<size_t>((3 - elements % 3) % 3);
  return padding == 0 ? end == std::string::npos
                      : end == data.size() - padding && data.find_first_not_of('=', end) == std::string::npos;
}

bool good_picture(const Json& picture, const Json& shape, size_t rank) {
  const double low = picture.at("low").get<double>(), high = picture.at("high").get<double>();
  return std::isfinite(low) && std::isfinite(high) && low <= high && fits(picture.at("data"), shape, rank);
}

bool good_header(const Json& h) {
  if (h.at("format") != "unfold-replay" || h.at("version") != 1) return false;
  const auto classes = h.at("classes").get<std::vector<std::string>>();
  const auto truth = whole_number<size_t>(h.at("image").at("truth"));
  for (const Json& map : h.at("maps")) {
    if (!map.at("layer").is_string()) return false;
  }
  return h.at("filters").at("layer").is_string() && h.at("image").at("from").is_string() &&
         truth < classes.size() && fits(h.at("image").at("data"), h.at("image").at("shape"), 3);
}

bool good_frame(const Json& h, const Json& f) {
  const size_t classes = h.at("classes").size();
  const Json& confusion = f.at("confusion");
  if (!confusion.is_null()) {
    if (confusion.size() != classes) return false;
    for (const Json& counts : confusion) {
      const std::vector<int64_t> row = whole_numbers(counts);
      if (row.size() != classes || *std::min_element(row.begin(), row.end()) < 0) return false;
    }
  }
  if (f.at("maps").size() != h.at("maps").size()) return false;
  for (size_t i = 0; i < h.at("maps").size(); ++i) {
    if (!good_picture(f.at("maps")[i], h.at("maps")[i].at("shape"), 3)) return false;
  }
  return whole_number<int64_t>(f.at("epoch")) >= 0 &&
         (f.at("val_acc").is_null() || f.at("val_acc").is_number()) &&
         f.at("probabilities").get<std::vector<double>>().size() == classes &&
         good_picture(f.at("filters"), h.at("filters").at("shape"), 4);
}

}  // namespace

bool replay_suits(const Model& model) {
  const Graph& graph = model.graph;
  if (!first_layer(graph)) return false;
  int64_t numbers = model.parameters.table()[filters_of(model)].shape.elements();
  for (const Node& node : graph.nodes()) {
    if (node.op->type() == "Dropout") return false;
  }
  for (const Node* node : map_nodes(graph)) numbers += graph.shape(node->output).elements();
  const auto classes = static_cast<int64_t>(model.classes.size());
  return numbers + classes * (classes + 1) <= kReplayNumbers;
}

/// One image through the network, every value kept.
struct ReplayRecorder::Probe {
  Probe(const Model& m, const Dataset& d, int64_t i, Engine engine, ThreadPool& p)
      : model(m),
        data(d),
        image(i),
        pool(p),
        maps(map_nodes(m.graph)),
        plan(m.graph, {.batch = 1, .training = true, .engine = engine, .keep = true}),
        workspace(plan.memory(), p.threads()),
        gradient(m.parameters.shared_table()) {}

  void run() {
    const auto fill = [&](int64_t, int64_t, float* x) { preprocess(model.preprocessing, data.at(image), x); };
    const int32_t label = data.labels[static_cast<size_t>(image)];
    ImageResult result;
    plan.gradient(model.parameters, fill, &label, gradient, &result, workspace, pool);
  }

  const Model& model;
  const Dataset& data;
  int64_t image;
  ThreadPool& pool;
  std::vector<const Node*> maps;
  Plan<float> plan;
  Workspace<float> workspace;
  Parameters<float> gradient;
};

ReplayRecorder::~ReplayRecorder() = default;

ReplayRecorder::ReplayRecorder(fs::path file, const Model& model, const Dataset& data, int64_t image,
                               std::string_view from, Engine engine, ThreadPool& pool)
    : file_(std::move(file)), probe_(std::make_unique<Probe>(model, data, image, engine, pool)) {
  const Node& first = *first_layer(model.graph);
  Json header = {
      {"format", "unfold-replay"},
      {"version", 1},
      {"model", model.name},
      {"classes", model.classes},
      {"image",
       {{"from", from},
        {"truth", data.labels[static_cast<size_t>(image)]},
        {"shape", sizes(data.image)},
        {"data", html::base64(data.at(image))}}},
      {"filters",
       {{"layer", first.name}, {"shape", sizes(model.parameters.table()[filters_of(model)].shape)}}},
      {"maps", Json::array()}};
  for (const Node* node : probe_->maps) {
    header["maps"].push_back({{"layer", node->name}, {"shape", sizes(model.graph.shape(node->output))}});
  }
  write_file(file_, line_text(header) + frame({}, ConfusionMatrix(0)));
}

ReplayRecorder::ReplayRecorder(fs::path file, const Model& model, const Dataset& data, int64_t image,
                               Engine engine, ThreadPool& pool, int64_t epochs)
    : file_(std::move(file)), probe_(std::make_unique<Probe>(model, data, image, engine, pool)) {
  read_replay(file_);  // checks every line
  std::string kept;
  for (const std::string& line : lines_of(file_)) {
    const Json json = Json::parse(line);
    if (!json.contains("epoch") || whole_number<int64_t>(json["epoch"]) <= epochs) kept += line + "\n";
  }
  write_file(file_, kept);
}

std::string ReplayRecorder::frame(const EpochRow& row, const ConfusionMatrix& validation) {
  Probe& probe = *probe_;
  const Model& model = probe.model;
  probe.run();
  const Graph& graph = model.graph;
  Json json = {{"epoch", row.epoch},
               {"val_acc", number(row.val_acc)},
               {"probabilities", probabilities(probe.plan.value(graph.output(), 0, probe.workspace))},
               {"filters", quantised(model.parameters.tensor(filters_of(model)).span<float>())},
               {"maps", Json::array()},
               {"confusion", nullptr}};
  for (const Node* node : probe.maps) {
    json["maps"].push_back(quantised(probe.plan.value(node->output, 0, probe.workspace)));
  }
  for (int64_t t = 0; t < validation.classes(); ++t) {
    Json counts = Json::array();
    for (int64_t p = 0; p < validation.classes(); ++p) counts.push_back(validation.count(t, p));
    json["confusion"].push_back(std::move(counts));
  }
  return line_text(json);
}

void ReplayRecorder::record(const EpochRow& row, int64_t epochs, const ConfusionMatrix& validation) {
  const int64_t each = (epochs + kReplayFrames - 1) / kReplayFrames;
  if (row.epoch % each != 0 && row.epoch != epochs) return;
  append_file(file_, frame(row, validation));
}

ReplayText read_replay(const fs::path& file) {
  Json all;
  const std::vector<std::string> lines = lines_of(file);
  if (lines.empty()) throw bad_line(file, 0);
  for (size_t i = 0; i < lines.size(); ++i) {
    bool good = false;
    Json json = Json::parse(lines[i], nullptr, false);
    try {
      good = json.is_object() && (i == 0 ? good_header(json) : good_frame(all, json));
    } catch (const Json::exception&) {
    }
    if (!good) throw bad_line(file, i);
    if (i == 0) {
      all = std::move(json);
      all["frames"] = Json::array();
    } else {
      all["frames"].push_back(std::move(json));
    }
  }
  // A run that was prolonged again and again has many: every second one tells as much.
  Json& frames = all["frames"];
  while (frames.size() > 2 * static_cast<size_t>(kReplayFrames)) {
    Json fewer = Json::array();
    for (size_t i = 0; i < frames.size(); ++i) {
      if (i % 2 == 0 || i + 1 == frames.size()) fewer.push_back(std::move(frames[i]));
    }
    frames = std::move(fewer);
  }
  if (frames.empty()) return {};
  return {dump(all), static_cast<int64_t>(frames.size())};
}

}  // namespace unfold
