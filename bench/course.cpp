// The losses of a network's first steps of training, and all that another program needs to take the same
// steps: bench/course_torch.py reads the file and compares.
//
//   bench_course MODEL DATA STEPS BATCH RATE FILE     stochastic gradient descent, momentum 0.9, seed 0
//
// MODEL is a name or a .json file.
// Step s takes images (s*BATCH + j) * 7919 modulo their number. No dropout: another program draws others.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
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

void run(const std::string& name, const std::string& source, int64_t steps, int64_t batch, double rate,
         const std::string& file) {
  ThreadPool pool(default_threads());
  const Dataset data =
      (is_image_folder(source) ? load_image_folder(source, {}, pool, {}) : load_dataset(source, {})).train;
  Model model = make_model_for(data, name.ends_with(".json") ? read_network(name) : network_named(name), 0);
  const Graph graph = without_dropout(model.graph);
  Preprocessing& how = model.preprocessing;
  std::tie(how.mean, how.std) = mean_std(data, 0, data.size(), how, &pool);

  const auto image = [&](int64_t step, int64_t j) { return (step * batch + j) * 7919 % data.size(); };
  Tensor images(Dtype::u8, Shape{steps * batch, data.image[0], data.image[1], data.image[2]});
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < steps * batch; ++i) {
    const auto pixels = data.at(image(i / batch, i % batch));
    std::copy(pixels.begin(), pixels.end(), images.data<uint8_t>() + i * static_cast<int64_t>(pixels.size()));
    labels.push_back(data.labels[static_cast<size_t>(image(i / batch, i % batch))]);
  }
  const Parameters<float> start = model.parameters;

  const Plan<float> plan(graph, {.batch = batch, .training = true});
  Workspace<float> workspace(plan.memory(), pool.threads());
  Parameters<float> gradient(model.parameters.shared_table());
  Optimizer<float> sgd(model.parameters.shared_table(),
                       {.kind = OptimizerOptions::Kind::sgd, .momentum = 0.9});
  std::vector<ImageResult> results(static_cast<size_t>(batch));
  std::vector<double> losses, seconds;
  const int64_t elements = graph.shape(graph.input()).elements();
  for (int64_t s = 0; s < steps; ++s) {
    const auto begin = std::chrono::steady_clock::now();
    plan.gradient(
        model.parameters,
        [&](int64_t first, int64_t n, float* x) {
          for (int64_t i = 0; i < n; ++i) preprocess(how, data.at(image(s, first + i)), x + i * elements);
        },
        labels.data() + s * batch, gradient, results.data(), workspace, pool);
    sgd.step(model.parameters, gradient, rate, pool);
    take_buffers(gradient, model.parameters);
    double loss = 0;
    for (const ImageResult& r : results) loss += r.loss / static_cast<double>(batch);
    losses.push_back(loss);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }

  SafetensorsFile out;
  out.metadata = {{"model", name}, {"batch", std::to_string(batch)}, {"rate", std::to_string(rate)}};
  add_tensors(out, start, "");
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
  if (argc != 7) {
    std::fprintf(stderr, "usage: bench_course MODEL DATA STEPS BATCH RATE FILE\n");
    return 2;
  }
  try {
    run(argv[1], argv[2], std::atoll(argv[3]), std::atoll(argv[4]), std::atof(argv[5]), argv[6]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
