// The losses of a network's first steps of training, and all that another program needs to take the same
// steps: bench/course_torch.py reads the file and compares.
//
//   bench_course MODEL DATA STEPS BATCH RATE FILE [double]
//
// MODEL is a name or a .json file. Stochastic gradient descent, momentum 0.9, seed 0; with `double` by the
// naive engine in double, slow, where float's rounding alone leads elsewhere. Step s takes images (s*BATCH +
// j) * 7919 modulo their number. No dropout: another program draws others.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "unfold/data/image_folder.h"
#include "unfold/data/source.h"
#include "unfold/formats/model_file.h"
#include "unfold/formats/network_file.h"
#include "unfold/formats/safetensors.h"
#include "unfold/model.h"
#include "unfold/train/optimizer.h"

using namespace unfold;

namespace {

/// The same network without its dropouts.
Graph without_dropout(const Graph& from) {
  Graph to;
  std::vector<ValueId> where(static_cast<size_t>(from.values()));
  where[0] = to.input(from.shape(from.input()));
  for (const Node& node : from.nodes()) {
    std::vector<ValueId> inputs;
    for (const ValueId input : node.inputs) inputs.push_back(where[static_cast<size_t>(input.index)]);
    ValueId& output = where[static_cast<size_t>(node.output.index)];
    output = node.op->type() == "Dropout" ? inputs[0] : to.add(node.name, node.op, inputs);
  }
  return to;
}

template <class T>
Tensor row(const std::vector<T>& values) {
  return Tensor::from<T>({static_cast<int64_t>(values.size())}, values);
}

struct Course {
  int64_t steps, batch;
  double rate;
};

/// The loss of each step, and how long it took.
struct Taken {
  std::vector<double> losses, seconds;
};

template <class T, class Image>
Taken take_steps(const Course& course, const Graph& graph, const Model& model, Engine engine,
                 const std::vector<int32_t>& labels, const Image& image, ThreadPool& pool) {
  const int64_t batch = course.batch, elements = graph.shape(graph.input()).elements();
  Parameters<T> parameters(model.parameters.shared_table()), gradient(model.parameters.shared_table());
  std::copy(model.parameters.all().begin(), model.parameters.all().end(), parameters.all().begin());
  const Plan<T> plan(graph, {.batch = batch, .training = true, .engine = engine});
  Workspace<T> workspace(plan.memory(), pool.threads());
  Optimizer<T> sgd(model.parameters.shared_table(), {.kind = OptimizerOptions::Kind::sgd, .momentum = 0.9});
  std::vector<ImageResult> results(static_cast<size_t>(batch));
  Taken taken;
  for (int64_t s = 0; s < course.steps; ++s) {
    const auto begin = std::chrono::steady_clock::now();
    const auto fill = [&](int64_t first, int64_t n, T* x) {
      for (int64_t i = 0; i < n; ++i)
        preprocess(model.preprocessing, image(s * batch + first + i), x + i * elements);
    };
    plan.gradient(parameters, fill, labels.data() + s * batch, gradient, results.data(), workspace, pool);
    sgd.step(parameters, gradient, course.rate, pool);
    take_buffers(gradient, parameters);
    double loss = 0;
    for (const ImageResult& r : results) loss += r.loss / static_cast<double>(batch);
    taken.losses.push_back(loss);
    taken.seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return taken;
}

void run(const std::string& name, const std::string& source, const Course& course, const std::string& file,
         bool in_double) {
  ThreadPool pool(default_threads());
  const Dataset data =
      (is_image_folder(source) ? load_image_folder(source, {}, pool, {}) : load_dataset(source, {})).train;
  Model model = make_model_for(data, name.ends_with(".json") ? read_network(name) : network_named(name), 0);
  const Graph graph = without_dropout(model.graph);
  Preprocessing& how = model.preprocessing;
  std::tie(how.mean, how.std) = mean_std(data, 0, data.size(), how, &pool);

  const int64_t count = course.steps * course.batch;
  const auto image = [&](int64_t i) { return data.at(i * 7919 % data.size()); };
  Tensor images(Dtype::u8, Shape{count, data.image[0], data.image[1], data.image[2]});
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    const auto pixels = image(i);
    std::copy(pixels.begin(), pixels.end(), images.data<uint8_t>() + i * static_cast<int64_t>(pixels.size()));
    labels.push_back(data.labels[static_cast<size_t>(i * 7919 % data.size())]);
  }
  const auto [losses, seconds] =
      in_double ? take_steps<double>(course, graph, model, Engine::naive, labels, image, pool)
                : take_steps<float>(course, graph, model, Engine::fast, labels, image, pool);

  char rate[32];
  std::snprintf(rate, sizeof rate, "%.17g", course.rate);
  SafetensorsFile out;
  out.metadata = {{"model", name}, {"batch", std::to_string(course.batch)}, {"rate", rate}};
  add_tensors(out, model.parameters, "");
  const auto numbers = [](std::span<const double> v) { return std::vector<double>(v.begin(), v.end()); };
  out.tensors.insert(out.tensors.end(), {{"course.images", images},
                                         {"course.labels", row(labels)},
                                         {"course.mean", row(numbers(how.mean.values()))},
                                         {"course.std", row(numbers(how.std.values()))},
                                         {"course.losses", row(losses)},
                                         {"course.seconds", row(seconds)}});
  write_safetensors(file, out);
}

}  // namespace

int main(int argc, char** argv) {
  const bool in_double = argc == 8 && std::string_view(argv[7]) == "double";
  if (argc != 7 && !in_double) {
    std::fprintf(stderr, "usage: bench_course MODEL DATA STEPS BATCH RATE FILE [double]\n");
    return 2;
  }
  try {
    run(argv[1], argv[2], {std::atoll(argv[3]), std::atoll(argv[4]), std::atof(argv[5])}, argv[6], in_double);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
