// unfold explain: one HTML page in which a model's numbers on pictures of one's own can be followed, cell by
// cell.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "cli/build_info.h"
#include "cli/explain_png.h"
#include "cli/pictures.h"
#include "cli/run.h"
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
  MachineOptions machine;
};

int run_explain(const ExplainFlags& o, const Global& global) {
  const auto [path, files] = model_and_pictures(o.words, "explain");
  if (files.size() > kMostImages) {
    throw Error(ErrorKind::usage, "too many pictures for one page")
        .wanted("at most " + std::to_string(kMostImages))
        .got(std::to_string(files.size()));
  }
  const Model model = open_model(path, global);
  ThreadPool pool(o.machine.resolved_threads());
  const Engine engine = o.machine.resolved_engine();
  std::vector<float> inputs;
  std::vector<uint8_t> pixels;  // of the first picture
  std::vector<uint8_t> classes;
  std::vector<ExplainedImage> images;
  Predictor predictor(model, engine, 1, pool, o.machine.resolved_numerics());
  for (const std::string& file : files) {
    const Picture picture = see_picture(model, file);
    if (!picture.note.empty()) std::cerr << "note: " << file << ": " << picture.note << std::endl;
    const auto logits = predictor.logits(picture.pixels, 1);
    classes.push_back(
        o.as_class.empty()
            ? static_cast<uint8_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())
            : static_cast<uint8_t>(class_named(model, o.as_class)));
    std::vector<float> input = network_input(model, picture.pixels);
    inputs.insert(inputs.end(), input.begin(), input.end());
    images.push_back({std::filesystem::path(file).filename().string(), picture.thumbnail,
                      see(model, std::move(input), classes.back(), kSeenUnits, engine, pool)});
    if (images.size() == 1) pixels = picture.pixels;
  }
  const Trace traced = trace(model, inputs, std::move(classes),
                             {.engine = engine, .numerics = o.machine.resolved_numerics()}, pool);
  const std::string version = version_text();
  const std::string page = explain_page(trace_json(model, traced, images), model.name + " explained",
                                        version.substr(0, version.find('\n')));
  write_file(o.out, page);
  std::cout << o.out << ": " << (page.size() + 512) / 1024 << " KiB, opens in any browser\n";
  if (o.png.empty()) return kOk;
  std::optional<DatasetPair> data;
  if (!o.data.empty()) data = load_data(o.data, global);
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
                "Model file or run folder (default: the newest run), then one to four pictures")
      ->required();
  c->add_option("-o,--out", o->out, "The page; default explain.html");
  c->add_option("--png", o->png,
                "Also write what the network saw in the first picture as PNG files into this folder");
  c->add_option("--layer", o->layer, "--png: whose units are shown; default: the last convolution");
  c->add_option("--unit", o->unit,
                "--png: one unit of that layer; default: the 16 that the picture excites most")
      ->check(CLI::NonNegativeNumber);
  c->add_option(
      "--data", o->data,
      "--png: also the patches of this data set's test images that excite each unit most, e.g. mnist");
  c->add_option("--class", o->as_class,
                "Go backward for this class (name or number); default: the one the model takes it for");
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
