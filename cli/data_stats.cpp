// unfold data stats: numbers about a data set, and how fast it is read and augmented.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>

#include "cli/data.h"
#include "cli/data_augment.h"
#include "cli/run.h"

namespace unfold::cli {
namespace {

struct StatsFlags {
  std::string name, augment;
  bool json = false, skip_bad = false;
  int threads = 0;
};

struct Stats {
  PerChannel mean = 0, std = 1;
  PictureSizes sizes;  // of a folder's pictures
  double read_seconds = 0, augmented_per_second = 0;
  int threads = 1;
};

void print(const StatsFlags& options, const DatasetPair& data, const Stats& stats) {
  const Shape& image = data.train.image;
  const int64_t images = data.train.size() + data.test.size();
  std::printf("%s: %lld training and %lld test images, %lldx%lldx%lld\n", data.train.name.c_str(),
              static_cast<long long>(data.train.size()), static_cast<long long>(data.test.size()),
              static_cast<long long>(image[0]), static_cast<long long>(image[1]),
              static_cast<long long>(image[2]));
  if (stats.sizes.most_h > 0) {
    std::printf("pictures of %lldx%lld to %lldx%lld pixels (height x width)\n",
                static_cast<long long>(stats.sizes.least_h), static_cast<long long>(stats.sizes.least_w),
                static_cast<long long>(stats.sizes.most_h), static_cast<long long>(stats.sizes.most_w));
  }
  std::printf("read in %.2f s: %.0f images a second, %d threads\n", stats.read_seconds,
              static_cast<double>(images) / stats.read_seconds, stats.threads);
  if (!options.augment.empty()) {
    std::printf("augmented by %s: %.0f images a second, %d threads\n", options.augment.c_str(),
                stats.augmented_per_second, stats.threads);
  }
  std::printf("\nof the training images, 0 to 1:\n  channel    mean     std\n");
  for (int64_t c = 0; c < image[0]; ++c)
    std::printf("  %7lld  %.4f  %.4f\n", static_cast<long long>(c), stats.mean[c], stats.std[c]);
  std::cout << std::flush;
  std::printf("\n%s", class_count_table(data).c_str());
}

nlohmann::ordered_json to_json(const StatsFlags& options, const DatasetPair& data, const Stats& stats) {
  const Shape& image = data.train.image;
  nlohmann::ordered_json report = {{"name", data.train.name},       {"image", {image[0], image[1], image[2]}},
                                   {"mean", stats.mean.values()},   {"std", stats.std.values()},
                                   {"classes", data.train.classes}, {"validation", data.train.validation},
                                   {"train", describe(data.train)}, {"test", describe(data.test)},
                                   {"threads", stats.threads},      {"read_seconds", stats.read_seconds}};
  if (stats.sizes.most_h > 0) {
    report["pictures"] = {{"least", {stats.sizes.least_h, stats.sizes.least_w}},
                          {"most", {stats.sizes.most_h, stats.sizes.most_w}}};
  }
  if (!options.augment.empty()) {
    report["augment"] = options.augment;
    report["augmented_per_second"] = stats.augmented_per_second;
  }
  return report;
}

int run_stats(const StatsFlags& options, const Global& global) {
  const Augmentation augment = augmentation_from(options.augment.empty() ? "none" : options.augment);
  Stats stats;
  stats.threads = options.threads > 0 ? options.threads : default_threads();
  const auto start = std::chrono::steady_clock::now();
  const DatasetPair data =
      load_data(options.name, global, {.skip_bad = options.skip_bad}, stats.threads, &stats.sizes);
  stats.read_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ThreadPool pool(stats.threads);
  Preprocessing plain;
  plain.image_h = plain.out_h = data.train.image[1];
  plain.image_w = plain.out_w = data.train.image[2];
  std::tie(stats.mean, stats.std) =
      mean_std(data.train, 0, data.train.size() - data.train.validation, plain, &pool);
  if (!options.augment.empty()) stats.augmented_per_second = augmented_per_second(data.train, augment, pool);
  if (options.json) {
    std::cout << to_json(options, data, stats).dump(2) << '\n';
  } else {
    print(options, data, stats);
  }
  return kOk;
}

}  // namespace

void add_data_stats(CLI::App& data, Global& global) {
  auto options = std::make_shared<StatsFlags>();
  CLI::App* command = data.add_subcommand(
      "stats", "Mean and deviation, classes, sizes, and how fast it is read and augmented");
  command->add_option("name", options->name, "As of 'unfold data'")->required();
  command->add_option("--augment", options->augment, "Also measure these augmentations")
      ->type_name("A,B,...");
  command->add_option("--threads", options->threads, "Threads; default: as many as this process may use")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--skip-bad", options->skip_bad, "Leave out pictures that cannot be read, and say which");
  command->add_flag("--json", options->json, "The same as JSON on standard output");
  command->footer(
      "Examples:\n"
      "  unfold data stats mnist\n"
      "  unfold data stats pictures/ --augment flip,crop:4,jitter:0.4 --json");
  on_run(command, global, [options, &global] { return run_stats(*options, global); });
}

}  // namespace unfold::cli
