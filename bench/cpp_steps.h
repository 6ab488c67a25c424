// What the programs share that step a C++ peer: they answer a line of JSON with one, as torch_steps.py does.
//
//   {"do": "check", "given", "result"}    one step's loss and gradients from the weights given
//   {"do": "time", "batch", "seconds"}    seconds of each training step
//
// Files hold floats alone. given: images (n, 1, 32, 32), labels (n), then the parameters of the article's
// LeNet-5 in the order of `unfold bench --dump`. result: the mean loss, then a gradient for each parameter,
// in the same order.
#pragma once

#include <chrono>
#include <exception>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace peer {

constexpr size_t kPixels = 32 * 32, kClasses = 10;

/// Parameters of a layer: `weights` then `biases`. The weights of a linear layer are (out, in), a
/// convolution's (out, in, kernel, kernel).
struct Layer {
  size_t out, in;  ///< in: all weights of one output
  bool linear;
};
constexpr Layer kLayers[] = {
    {6, 25, false}, {16, 150, false}, {120, 400, true}, {84, 120, true}, {10, 84, true}};
constexpr size_t kParameters = 6 * 26 + 16 * 151 + 120 * 401 + 84 * 121 + 10 * 85;

/// Images and labels side by side.
struct Data {
  std::vector<float> images;
  std::vector<unsigned long> labels;

  static Data random(size_t n) {
    std::mt19937 generator(1);
    std::normal_distribution<float> normal;
    Data data{std::vector<float>(n * kPixels), std::vector<unsigned long>(n)};
    for (float& v : data.images) v = normal(generator);
    for (unsigned long& label : data.labels) label = generator() % kClasses;
    return data;
  }
};

/// What a step gives: mean loss and gradients, in the order of the dump.
struct Step {
  double loss;
  std::vector<float> gradients;
};

/// (rows, columns) -> (columns, rows), for libraries that keep a linear layer's weights by the input.
inline void transpose(size_t rows, size_t columns, const float* from, float* to) {
  for (size_t r = 0; r < rows; ++r)
    for (size_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
}

inline std::vector<float> read(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw std::runtime_error("cannot read " + path);
  std::vector<float> values(static_cast<size_t>(in.tellg()) / sizeof(float));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(values.data()),
          static_cast<std::streamsize>(values.size() * sizeof(float)));
  return values;
}

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

template <class Net>
nlohmann::json check(const nlohmann::json& request) {
  const auto given = read(request.at("given"));
  if (given.size() < kParameters) throw std::runtime_error("given: too few numbers");
  const size_t n = (given.size() - kParameters) / (kPixels + 1);
  Data data{{given.begin(), given.begin() + static_cast<std::ptrdiff_t>(n * kPixels)}, {}};
  for (size_t i = 0; i < n; ++i) data.labels.push_back(static_cast<unsigned long>(given[n * kPixels + i]));
  Net net;
  net.load(given.data() + n * (kPixels + 1));
  const Step step = net.step(data);
  std::ofstream out(std::string(request.at("result")), std::ios::binary);
  const auto loss = static_cast<float>(step.loss);
  out.write(reinterpret_cast<const char*>(&loss), sizeof loss);
  out.write(reinterpret_cast<const char*>(step.gradients.data()),
            static_cast<std::streamsize>(step.gradients.size() * sizeof(float)));
  return {{"loss", step.loss}};
}

/// Answers until standard input ends. Net has load(), step() and times(batch, seconds).
template <class Net>
int serve() {
  Net timed;  // stays warm between its turns
  std::string line;
  while (std::getline(std::cin, line)) {
    nlohmann::json answer;
    try {
      const auto request = nlohmann::json::parse(line);
      if (request.at("do") == "check") {
        answer = check<Net>(request);
      } else {
        answer["times"] = timed.times(request.at("batch").get<size_t>(), request.at("seconds").get<double>());
      }
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << std::endl;
  }
  return 0;
}

}  // namespace peer
