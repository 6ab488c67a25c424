#include "cli/preprocess_option.h"

#include <filesystem>

#include "unfold/files.h"
#include "unfold/formats/preprocessing.h"
#include "unfold/suggest.h"

namespace unfold::cli {

void add_preprocess_option(CLI::App* command, std::string& how) {
  command->add_option(
      "--preprocess", how,
      "What the network takes, where its file does not say: raw (0 to 255), unit (0 to 1), "
      "imagenet\n(torchvision's mean and deviation), or a JSON file; default: as the file says, else unit");
}

Preprocessing preprocessing_named(const std::string& how, const Model& model) {
  const int64_t channels = model.graph.shape(model.graph.input())[0];
  Preprocessing named = model.preprocessing;
  if (how == "raw") {
    named.mean = 0;
    named.std = 1.0 / 255;
  } else if (how == "unit") {
    named.mean = 0;
    named.std = 1;
  } else if (how == "imagenet") {
    if (channels != 3) {
      throw Error(ErrorKind::usage, "--preprocess imagenet is for coloured pictures")
          .where(model.name)
          .wanted("3 channels")
          .got(std::to_string(channels));
    }
    named.mean = PerChannel(std::vector<double>{0.485, 0.456, 0.406});
    named.std = PerChannel(std::vector<double>{0.229, 0.224, 0.225});
  } else if (std::filesystem::exists(how)) {
    constexpr uint64_t kMost = 1 << 20;
    const std::vector<std::byte> bytes = read_file(how, ErrorKind::model, kMost);
    named = parse_preprocessing({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, how, &named);
    named.check(how, channels);
    if (named.output(channels) != model.graph.shape(model.graph.input())) {
      throw Error(ErrorKind::model, "the preprocessing does not make the network's input")
          .where(how)
          .wanted(model.graph.shape(model.graph.input()).text())
          .got(named.output(channels).text());
    }
  } else {
    throw unknown_name("preprocessing", how, {std::begin(kPreprocessNames), std::end(kPreprocessNames)});
  }
  return named;
}

}  // namespace unfold::cli
