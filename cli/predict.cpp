// unfold predict: what a model makes of pictures of one's own.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/pictures.h"
#include "cli/preprocess_option.h"
#include "cli/run.h"
#include "unfold/data/digit.h"
#include "unfold/data/fit_picture.h"

namespace unfold::cli {
namespace {

struct PredictFlags {
  std::vector<std::string> words;
  std::string preprocess;
  int top = 3;
  bool show = false, json = false, invert = false;
  MachineOptions machine;
};

/// What the network saw, for a terminal; larger images as 28x28.
std::string drawn(const Model& model, const std::vector<uint8_t>& pixels) {
  const Preprocessing& how = model.preprocessing;
  const int64_t channels = static_cast<int64_t>(pixels.size()) / (how.image_h * how.image_w);
  if (channels == 1) {
    return ascii_art(
        fit_picture({how.image_w, how.image_h, 1, pixels}, 1, DigitView::kSide, DigitView::kSide));
  }
  Image image{how.image_w, how.image_h, channels, std::vector<uint8_t>(pixels.size())};
  const int64_t plane = how.image_h * how.image_w;
  for (int64_t i = 0; i < plane * channels; ++i)
    image.pixels[static_cast<size_t>(i % plane * channels + i / plane)] = pixels[static_cast<size_t>(i)];
  return ascii_art(fit_picture(image, 1, DigitView::kSide, DigitView::kSide));
}

int run_predict(const PredictFlags& o, const Global& global) {
  const Engine engine = o.machine.resolved_engine();
  const auto [path, pictures] = model_and_pictures(o.words, "predict");
  const Model model = open_for_images(path, o.preprocess, global).model;
  ThreadPool pool(1);  // one picture at a time: threads would only wait
  Predictor predictor(model, engine, 1, pool, o.machine.resolved_numerics());
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const std::string& picture : pictures) {
    const Picture seen = see_picture(model, picture, o.invert);
    if (!seen.advice.empty()) std::cerr << "note: " << picture << ": " << seen.advice << std::endl;
    const std::vector<double> p = probabilities(predictor.logits(seen.pixels, 1));
    std::vector<size_t> order(p.size());
    for (size_t c = 0; c < order.size(); ++c) order[c] = c;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
    order.resize(std::min(order.size(), static_cast<size_t>(o.top)));
    const bool answered = seen.note.empty();
    if (o.show) text(o.json) << picture << ": what the network saw\n" << drawn(model, seen.pixels);
    if (o.json) {
      nlohmann::ordered_json one = {{"image", picture}};
      one["prediction"] =
          answered ? nlohmann::ordered_json(model.classes[order.front()]) : nlohmann::ordered_json();
      if (!answered) one["note"] = seen.note;
      for (const size_t c : order) {
        if (answered) one["top"].push_back({{"class", model.classes[c]}, {"probability", p[c]}});
      }
      results.push_back(std::move(one));
      continue;
    }
    std::cout << picture << ": ";
    if (!answered) {
      std::cout << "no answer: " << seen.note << '\n';
      continue;
    }
    for (size_t k = 0; k < order.size(); ++k) {
      char percent[16];
      std::snprintf(percent, sizeof percent, "%.1f%%", 100 * p[order[k]]);
      std::cout << (k ? ", " : "") << model.classes[order[k]] << " (" << percent << ')';
    }
    std::cout << '\n';
  }
  if (o.json) std::cout << results.dump() << '\n';
  return kOk;
}

}  // namespace

void add_predict(CLI::App& app, Global& global) {
  auto o = std::make_shared<PredictFlags>();
  CLI::App* c = app.add_subcommand("predict", "Ask a model about pictures of your own");
  c->add_option("MODEL_AND_IMAGES", o->words,
                "Model file, ONNX file or run folder (default: the newest run), then PNG, JPEG, PGM, PPM or "
                "BMP pictures")
      ->required();
  c->add_option("--top", o->top, "How many answers, best first; default 3")->check(CLI::Range(1, 256));
  c->add_flag("--show", o->show, "Print what the network saw");
  c->add_flag("--invert", o->invert, kInvertHelp);
  add_preprocess_option(c, o->preprocess);
  o->machine.add_to(c);
  o->machine.add_numerics_to(c);
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer(
      "Examples:\n  unfold predict my_digit.jpg --show\n  unfold predict runs/lenet5-1 a.png b.png --json\n\n"
      "A model of digits takes them dark on light or the reverse, anywhere in a picture of any size, and "
      "treats them as\n"
      "MNIST's were. Any other is shown the middle of the picture, scaled; clothes of fashion-mnist are "
      "light on black.");
  on_run(c, global, [o, &global] { return run_predict(*o, global); });
}

}  // namespace unfold::cli
