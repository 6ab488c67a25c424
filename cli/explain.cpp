// unfold explain: one HTML page in which a model's numbers on pictures of one's own can be followed, cell by
// cell.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "cli/build_info.h"
#include "cli/explain_png.h"
#include "cli/pictures.h"
#include "cli/run.h"
#include "unfold/explain/compact_page.h"
#include "unfold/explain/layer.h"
#include "unfold/explain/page.h"
#include "unfold/files.h"

namespace unfold::cli {
namespace {

constexpr size_t kMostImages = 4;
constexpr int64_t kSeenUnits = 8;  // of the last convolution, brought back to pixels

struct ExplainFlags {
  std::vector<std::string> words;
  std::string out = "explain.html", as_class, png, layer, data;
  int64_t unit = -1;
  bool invert = false, compact = false;
  MachineOptions machine;
};

constexpr int64_t kMostPageBytes = 32 << 20;  // with all numbers: browsers open more, but nobody waits for it
constexpr int64_t kPagePatches = 8;           // of the data set, for each unit

/// Whether the page leaves numbers out: asked for, or since there are too many.
bool is_compact(const Model& model, size_t images, const ExplainFlags& o, const Global& global) {
  if (o.compact) return true;
  const int64_t bytes = explain_page_bytes(model, static_cast<int64_t>(images));
  if (bytes <= kMostPageBytes) return false;
  if (!global.quiet) {
    std::cerr << "note: " << model.name << " has numbers for " << ((bytes + (1 << 19)) >> 20)
              << " MiB of page: the strongest maps are shown, and windows of the convolutions" << std::endl;
  }
  return true;
}

/// The model as it answers: a batch normalisation stands in the layer before it. The page follows a step of
/// training of single pictures, and these have no statistics of their own.
Model folded(Model model, const Global& global) {
  std::optional<Folded> plain = fold(model.graph, model.parameters);
  if (plain) {
    model.graph = std::move(plain->graph);
    model.parameters = std::move(plain->parameters);
    if (!global.quiet)
      std::cerr << "note: batch normalisations are shown within the layers before them" << std::endl;
  }
  for (const Node& node : model.graph.nodes()) {
    if (!node.op->whole_batch()) continue;
    throw Error(ErrorKind::usage,
                "a batch normalisation that is not behind a convolution or a linear layer cannot be shown")
        .where(node.name);
  }
  return model;
}

/// The data set whose patches are shown: --data, else the one the model learned from, if that lies on this
/// machine.
std::optional<DatasetPair> data_for(const Model& model, const ExplainFlags& o, const Global& global) {
  if (o.data == "none") return std::nullopt;
  if (!o.data.empty()) return load_data(o.data, global, pictures_for(model));
  const std::vector<std::string> names = dataset_names();
  if (std::find(names.begin(), names.end(), model.trained_on) == names.end()) return std::nullopt;
  const std::filesystem::path lies = dataset_directory(model.trained_on);
  if (lies.empty()) return std::nullopt;
  try {
    return load_directory(lies, model.trained_on, model.classes);
  } catch (const Error&) {
    return std::nullopt;  // nobody asked for it
  }
}

/// The patches of a data set that excite most the units which any of the pictures excites.
std::optional<LayerPatches> patches_of(const Model& model, const Dataset& data, const Explained& explained,
                                       Engine engine, ThreadPool& pool) {
  std::set<int64_t> units;
  for (const ExplainedImage& image : explained.images) {
    for (const Seen::Unit& unit : image.seen.units) units.insert(unit.unit);
  }
  if (units.empty()) return std::nullopt;
  return see_patches(model, data, layer_named(model.graph, explained.images.front().seen.layer),
                     {units.begin(), units.end()}, kPagePatches, engine, pool);
}

int run_explain(const ExplainFlags& o, const Global& global) {
  const auto [path, files] = model_and_pictures(o.words, "explain");
  if (files.size() > kMostImages) {
    throw Error(ErrorKind::usage, "too many pictures for one page")
        .wanted("at most " + std::to_string(kMostImages))
        .got(std::to_string(files.size()));
  }
  const Model model = folded(open_model(path, global), global);
  const bool compact = is_compact(model, files.size(), o, global);
  const Node* layer = o.layer.empty() ? nullptr : &layer_named(model.graph, o.layer);
  if (layer && layer->op->type() != "Conv2d") {
    if (o.png.empty()) {
      throw Error(ErrorKind::usage, "the page begins with a convolution")
          .where(o.layer)
          .wanted("a Conv2d layer")
          .got(layer->name + ", " + std::string(layer->op->type()))
          .hint("--png DIR shows the units of any layer");
    }
    layer = nullptr;
  }
  const std::optional<DatasetPair> data = data_for(model, o, global);
  ThreadPool pool(o.machine.resolved_threads());
  const Engine engine = o.machine.resolved_engine();
  std::vector<float> inputs;
  std::vector<uint8_t> pixels;  // of the first picture
  std::vector<int32_t> classes;
  Explained explained{.images = {}, .patches = {}, .first = layer ? layer->name : ""};
  std::vector<ExplainedImage>& images = explained.images;
  Predictor predictor(model, engine, 1, pool, o.machine.resolved_numerics());
  for (const std::string& file : files) {
    const Picture picture = see_picture(model, file, o.invert);
    if (!picture.note.empty()) std::cerr << "note: " << file << ": " << picture.note << std::endl;
    if (!picture.advice.empty()) std::cerr << "note: " << file << ": " << picture.advice << std::endl;
    const auto logits = predictor.logits(picture.pixels, 1);
    classes.push_back(
        o.as_class.empty()
            ? static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())
            : static_cast<int32_t>(class_named(model, o.as_class)));
    if (pixels.empty()) pixels = picture.pixels;
    std::vector<float> input = network_input(model, picture.pixels);
    inputs.insert(inputs.end(), input.begin(), input.end());
    images.push_back({std::filesystem::path(file).filename().string(), thumbnail(picture.image),
                      see(model, std::move(input), classes.back(), layer, kSeenUnits, engine, pool)});
  }
  if (data) explained.patches = patches_of(model, data->test, explained, engine, pool);
  const Numerics numerics = o.machine.resolved_numerics();
  std::string json;
  if (compact) {
    const auto first = std::span(inputs).first(inputs.size() / classes.size());
    json = compact_json(model, inputs, classes, layer_times(model, first, numerics), explained);
  } else {
    json = trace_json(model, trace(model, inputs, classes, {.engine = engine, .numerics = numerics}, pool),
                      explained);
  }
  const std::string version = version_text();
  const std::string text =
      explain_page(json, model.name + " explained", version.substr(0, version.find('\n')));
  write_file(o.out, text);
  std::cout << o.out << ": " << (text.size() + 512) / 1024 << " KiB, opens in any browser\n";
  if (o.png.empty()) return kOk;
  PictureOptions what{.layer = o.layer, .target = o.as_class, .unit = o.unit, .engine = engine};
  if (data) what.data = &data->test;
  for (const WrittenPicture& written : write_pictures(model, pixels, what, pool, o.png))
    std::cout << written.path.string() << ": " << written.caption << '\n';
  return kOk;
}

}  // namespace

void add_explain(CLI::App& app, Global& global) {
  auto o = std::make_shared<ExplainFlags>();
  CLI::App* c =
      app.add_subcommand("explain", "See what a model computes on a picture of your own, number by number");
  c->add_option("MODEL_AND_IMAGES", o->words,
                "Model file, ONNX file or run folder (default: the newest run), then one to four pictures")
      ->required();
  c->add_option("-o,--out", o->out, "The page; default explain.html");
  c->add_option("--png", o->png,
                "Also write what the network saw in the first picture as PNG files into this folder");
  c->add_option("--layer", o->layer,
                "The convolution the page begins with, and the layer whose units are shown; default: a small "
                "example, and the last convolution");
  c->add_option("--unit", o->unit,
                "--png: one unit of that layer; default: the 16 that the picture excites most")
      ->check(CLI::NonNegativeNumber);
  c->add_option(
      "--data", o->data,
      "Show the patches of this data set's test images that excite each unit most; default: the one the "
      "model\nlearned from if it lies on this machine; none: do not");
  c->add_option("--class", o->as_class,
                "Go backward for this class (name or number); default: the one the model takes it for");
  c->add_flag(
      "--compact", o->compact,
      "A page of some megabytes: the strongest maps, windows of the convolutions, nothing of a step of "
      "training;\nwhat networks with too many numbers get in any case");
  c->add_flag("--invert", o->invert, kInvertHelp);
  o->machine.add_to(c);
  o->machine.add_numerics_to(c);
  c->footer(
      "Examples:\n  unfold explain my_digit.png\n"
      "  unfold explain runs/lenet5-1 a.png b.png --class 7 -o seven.html\n"
      "  unfold explain my_digit.png --png seen --data mnist\n\n"
      "The page is one file without network: the image unfolded, the product, pooling, gradients and one "
      "step of\n"
      "training, with the numbers of the engine, which the page computes again where you point.");
  on_run(c, global, [o, &global] { return run_explain(*o, global); });
}

}  // namespace unfold::cli
