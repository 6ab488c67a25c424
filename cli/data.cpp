// unfold data: gets a data set, checks it, and says what is in it.
#include "cli/data.h"

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/data_augment.h"
#include "cli/run.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "unfold/data/source.h"

namespace unfold::cli {
namespace {

struct DataFlags {
  std::string name, out, augment, png;
  bool json = false, skip_bad = false;
};

std::vector<int64_t> class_counts(const Dataset& part) {
  std::vector<int64_t> counts(part.classes.size());
  for (const int32_t label : part.labels) ++counts[static_cast<size_t>(label)];
  return counts;
}

void print(const DatasetPair& data, const std::string& directory) {
  const Shape& image = data.train.image;
  std::cout << data.train.name << ": " << data.train.size() << " training and " << data.test.size()
            << " test images of " << image[1] << "x" << image[2] << " pixels\n"
            << (directory.empty() ? "made by this program, no files" : "in " + directory) << "\n\n";
  std::cout << class_count_table(data);
}

int run_data(const DataFlags& options, const Global& global) {
  if (options.name.empty()) {
    throw Error(ErrorKind::usage, "which data set?").hint("unfold data mnist; or see 'unfold data --help'");
  }
  if (options.augment.empty() != options.png.empty())
    throw Error(ErrorKind::usage, "--show-augment and --png go together")
        .hint("unfold data " + options.name + " --show-augment flip,affine:10 --png augmented.png");
  const Augmentation augment = augmentation_from(options.augment.empty() ? "none" : options.augment);
  const DatasetPair data = load_data(options.name, global, {.skip_bad = options.skip_bad});
  std::string directory = dataset_directory(options.name).string();
  if (!options.out.empty()) {
    write_directory(data, options.out);
    directory = options.out;
  }
  if (!options.png.empty()) {
    ThreadPool pool(default_threads());
    write_augmented(data.train, augment, pool, options.png);
    if (!global.quiet) std::cerr << "wrote " << options.png << std::endl;
  }
  if (options.json) {
    const Shape& image = data.train.image;
    const nlohmann::ordered_json report = {
        {"name", data.train.name},
        {"directory", directory.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(directory)},
        {"image", {image[0], image[1], image[2]}},
        {"classes", data.train.classes},
        {"train", describe(data.train)},
        {"test", describe(data.test)}};
    std::cout << report.dump(2) << '\n';
  } else {
    print(data, directory);
  }
  return kOk;
}

}  // namespace

std::string class_count_table(const DatasetPair& data) {
  const std::vector<std::vector<int64_t>> counts = {class_counts(data.train), class_counts(data.test)};
  Table table;
  table.rows = static_cast<int64_t>(data.train.classes.size());
  table.columns = 2;
  table.corner = "class";
  table.cell = [&](int64_t row, int64_t column) {
    return std::to_string(counts[static_cast<size_t>(column)][static_cast<size_t>(row)]);
  };
  table.row_label = [&](int64_t row) { return data.train.classes[static_cast<size_t>(row)]; };
  table.column_label = [](int64_t column) { return std::string(column == 0 ? "train" : "test"); };
  return table_text(table, terminal_width());
}

nlohmann::ordered_json describe(const Dataset& part) {
  nlohmann::ordered_json counts = nlohmann::ordered_json::object();
  const auto numbers = class_counts(part);
  for (size_t i = 0; i < numbers.size(); ++i) counts[part.classes[i]] = numbers[i];
  return {{"images", part.size()}, {"per_class", counts}};
}

void add_data(CLI::App& app, Global& global) {
  auto options = std::make_shared<DataFlags>();
  CLI::App* command = app.add_subcommand("data", "Get a data set, check it, and say what is in it");
  command->add_option(
      "name", options->name,
      "mnist (fetched if need be), fashion-mnist, strokes, a .csv or .npz file, or a folder: of "
      "pictures, of IDX files, of CIFAR's binary files");
  command->add_option("--out", options->out, "Also write the four IDX files into this folder")
      ->type_name("DIR");
  command
      ->add_option(
          "--show-augment", options->augment,
          "Also draw some training images with these augmentations, as 'unfold train --augment' does")
      ->type_name("A,B,...");
  command
      ->add_option("--png", options->png,
                   "The file for --show-augment: a row an image, itself and nine epochs")
      ->type_name("FILE");
  command->add_flag("--skip-bad", options->skip_bad, "Leave out pictures that cannot be read, and say which");
  command->add_flag("--json", options->json, "The same as JSON on standard output");
  command->footer(
      "Examples:\n"
      "  unfold data mnist                     fetch it, or check what is there\n"
      "  unfold data strokes --out my/strokes  the drawn digits as files\n"
      "  unfold data ~/my-digits --json        what is in a folder\n"
      "  unfold data stats pictures/           mean, deviation, sizes, how fast it is read\n"
      "  unfold data pictures/ --show-augment flip,affine:10 --png augmented.png\n\n" +
      augmentation_list("--show-augment"));
  add_data_stats(*command, global);
  command->callback([options, command, &global] {
    if (command->get_subcommands().empty()) {
      global.run = [options, &global] { return run_data(*options, global); };
    } else if (!options->out.empty() || !options->augment.empty() || !options->png.empty()) {
      throw Error(ErrorKind::usage, "'unfold data stats' writes no files")
          .hint("leave out --out, --show-augment and --png, or the word stats");
    }
  });
}

}  // namespace unfold::cli
