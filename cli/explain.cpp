// unfold explain: one HTML page in which a model's numbers on pictures of one's own can be followed, cell by
// cell.
#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/build_info.h"
#include "cli/pictures.h"
#include "cli/run.h"
#include "cli/suggest.h"
#include "unfold/explain/page.h"
#include "unfold/files.h"

namespace unfold::cli {
namespace {

constexpr size_t kMostImages = 4;

struct ExplainFlags {
  std::vector<std::string> words;
  std::string out = "explain.html", as_class;
  bool json = false;
  MachineOptions machine;
};

/// The class a reader asked for, by name or number.
uint8_t class_named(const Model& model, const std::string& name) {
  const auto at = std::find(model.classes.begin(), model.classes.end(), name);
  if (at == model.classes.end()) throw unknown_name("class", name, model.classes);
  return static_cast<uint8_t>(at - model.classes.begin());
}

int run_explain(const ExplainFlags& o, const Global& global) {
  const auto [path, files] = model_and_pictures(o.words, "explain");
  if (files.size() > kMostImages) {
    throw Error(ErrorKind::usage, "too many pictures for one page")
        .wanted("at most " + std::to_string(kMostImages))
        .got(std::to_string(files.size()));
  }
  const Model model = open_model(path, global);
  ThreadPool pool(o.machine.resolved_threads());
  std::vector<float> inputs;
  std::vector<uint8_t> classes;
  std::vector<ExplainedImage> images;
  Predictor predictor(model, o.machine.resolved_engine(), 1, pool, o.machine.resolved_numerics());
  for (const std::string& file : files) {
    const Picture picture = see_picture(model, file);
    if (!picture.note.empty()) std::cerr << "note: " << file << ": " << picture.note << std::endl;
    const auto logits = predictor.logits(picture.pixels, 1);
    classes.push_back(
        o.as_class.empty()
            ? static_cast<uint8_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())
            : class_named(model, o.as_class));
    const size_t at = inputs.size();
    inputs.resize(at + static_cast<size_t>(model.graph.shape(model.graph.input()).elements()));
    preprocess(model.preprocessing, picture.pixels, inputs.data() + at);
    images.push_back({std::filesystem::path(file).filename().string(), picture.thumbnail});
  }
  const Trace traced =
      trace(model, inputs, std::move(classes),
            {.engine = o.machine.resolved_engine(), .numerics = o.machine.resolved_numerics()}, pool);
  const std::string version = version_text();
  const std::string page = explain_page(trace_json(model, traced, images), model.name + " explained",
                                        version.substr(0, version.find('\n')));
  write_file(o.out, page);
  std::cout << o.out << ": " << (page.size() + 512) / 1024 << " KiB, opens in any browser\n";
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
  c->add_option("--class", o->as_class,
                "Go backward for this class; default: the one the model takes it for");
  o->machine.add_to(c);
  o->machine.add_numerics_to(c);
  c->footer(
      "Examples:\n  unfold explain my_digit.png\n  unfold explain runs/lenet5-1 a.png b.png --class 7 -o "
      "seven.html\n\n"
      "The page is one file without network: the image unfolded, the product, pooling, gradients and one "
      "step of\n"
      "training, with the numbers of the engine, which the page computes again where you point.");
  on_run(c, global, [o, &global] { return run_explain(*o, global); });
}

}  // namespace unfold::cli
