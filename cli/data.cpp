// unfold data: gets a data set, checks it, and says what is in it.
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/run.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "unfold/data/source.h"

namespace unfold::cli {
namespace {

struct DataFlags {
  std::string name, out;
  bool json = false;
};

std::vector<int64_t> class_counts(const Dataset& part) {
  std::vector<int64_t> counts(part.classes.size());
  for (const int32_t label : part.labels) ++counts[static_cast<size_t>(label)];
  return counts;
}

nlohmann::ordered_json describe(const Dataset& part) {
  nlohmann::ordered_json counts = nlohmann::ordered_json::object();
  const auto numbers = class_counts(part);
  for (size_t i = 0; i < numbers.size(); ++i) counts[part.classes[i]] = numbers[i];
  return {{"images", part.size()}, {"per_class", counts}};
}

void print(const DatasetPair& data, const std::string& directory) {
  const Shape& image = data.train.image;
  std::cout << data.train.name << ": " << data.train.size() << " training and " << data.test.size()
            << " test images of " << image[1] << "x" << image[2] << " pixels\n"
            << (directory.empty() ? "made by this program, no files" : "in " + directory) << "\n\n";
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
  std::cout << table_text(table, terminal_width());
}

int run_data(const DataFlags& options, const Global& global) {
  const DatasetPair data = load_data(options.name, global);
  std::string directory = dataset_directory(options.name).string();
  if (!options.out.empty()) {
    write_directory(data, options.out);
    directory = options.out;
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

void add_data(CLI::App& app, Global& global) {
  auto options = std::make_shared<DataFlags>();
  CLI::App* command = app.add_subcommand("data", "Get a data set, check it, and say what is in it");
  command
      ->add_option("name", options->name,
                   "mnist (fetched if need be), fashion-mnist, strokes, or a folder of IDX files")
      ->required();
  command->add_option("--out", options->out, "Also write the four IDX files into this folder")
      ->type_name("DIR");
  command->add_flag("--json", options->json, "The same as JSON on standard output");
  command->footer(
      "Examples:\n"
      "  unfold data mnist                     fetch it, or check what is there\n"
      "  unfold data strokes --out my/strokes  the drawn digits as files\n"
      "  unfold data ~/my-digits --json        what is in a folder");
  on_run(command, global, [options, &global] { return run_data(*options, global); });
}

}  // namespace unfold::cli
