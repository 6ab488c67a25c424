// One const model, many threads, each with a Predictor of its own: the bits of one thread, and no race
// (ThreadSanitizer runs this).
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "unfold/model.h"
#include "unfold/random.h"

using namespace unfold;

TEST_CASE("threads that share a const model get the bits of one thread") {
  // Lanes, normalisations that are folded, layer by layer.
  for (const char* const name : {"lenet5", "resnet20", "squeezenet1_1"}) {
    CAPTURE(name);
    const bool photo = std::string(name) == "squeezenet1_1";
    const Model model =
        make_model(name, 3, photo ? ModelOptions{.image = Shape{3, 64, 64}, .classes = 10} : ModelOptions{});
    const int64_t images = 6, bytes = model.graph.shape(model.graph.input())[0] *
                                      model.preprocessing.image_h * model.preprocessing.image_w;
    std::vector<uint8_t> pixels(static_cast<size_t>(images * bytes));
    Random random(5, "pixels");
    for (uint8_t& v : pixels) v = static_cast<uint8_t>(random.bits());

    const auto run = [&](int workers, int64_t batch) {
      ThreadPool pool(workers);
      Predictor predictor(model, Engine::fast, batch, pool);
      std::vector<float> all;
      for (int64_t first = 0; first < images; first += batch) {
        const int64_t n = std::min(batch, images - first);
        const auto logits =
            predictor.logits(std::span(pixels).subspan(static_cast<size_t>(first * bytes)), n);
        all.insert(all.end(), logits.begin(), logits.end());
      }
      return all;
    };
    const std::vector<float> alone = run(1, 1);
    constexpr int kThreads = 4;
    std::vector<std::vector<float>> found(kThreads);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] { found[static_cast<size_t>(t)] = run(1 + t % 2, 1 + 2 * t); });
    for (std::thread& thread : threads) thread.join();
    for (const auto& logits : found) CHECK(logits == alone);
  }
}
