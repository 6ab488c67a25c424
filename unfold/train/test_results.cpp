#include "unfold/train/test_results.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "unfold/formats/json_message.h"
#include "unfold/formats/safetensors.h"

namespace unfold {
namespace {

using Json = nlohmann::json;

constexpr const char* kKey = "unfold.test";
constexpr size_t kRight = 30, kWrong = 40;  // pictures

/// The tensor of that name; throws model if it is missing or of another type or shape.
const Tensor& tensor(const SafetensorsFile& file, const char* name, Dtype dtype, const Shape& shape,
                     const std::string& where) {
  const Tensor* found = file.find(name);
  if (!found || found->dtype() != dtype || found->shape() != shape) {
    throw Error(ErrorKind::model, "the test results do not fit together")
        .where(where + ": " + name)
        .wanted(std::string(dtype_name(dtype)) + " " + shape.text())
        .got(found ? std::string(dtype_name(found->dtype())) + " " + found->shape().text() : "nothing");
  }
  return *found;
}

}  // namespace

TestResults test_results(const Model& model, const Dataset& test, const Evaluation& e) {
  TestResults results{e.loss, e.accuracy, e.confusion, model.classes, {}, {}};
  std::vector<size_t> right, wrong;
  for (size_t i = 0; i < e.predicted.size(); ++i) {
    (e.predicted[i] == test.labels[i] ? right : wrong).push_back(i);
  }
  std::stable_sort(wrong.begin(), wrong.end(),
                   [&](size_t a, size_t b) { return e.confidence[a] > e.confidence[b]; });
  right.resize(std::min(right.size(), kRight));
  wrong.resize(std::min(wrong.size(), kWrong));
  const auto samples = [&](const std::vector<size_t>& images, std::vector<Report::Sample>& out) {
    for (const size_t i : images) {
      const auto pixels = test.at(static_cast<int64_t>(i));
      out.push_back({test.image,
                     {pixels.begin(), pixels.end()},
                     test.labels[i],
                     e.predicted[i],
                     e.confidence[i],
                     static_cast<int64_t>(i)});
    }
  };
  samples(right, results.right);
  samples(wrong, results.wrong);
  return results;
}

void save_test_results(const std::filesystem::path& path, const TestResults& results) {
  SafetensorsFile file;
  file.metadata = {{kKey, Json{{"loss", std::isfinite(results.loss) ? Json(results.loss) : Json()},
                               {"accuracy", results.accuracy},
                               {"classes", results.classes}}
                              .dump(-1, ' ', false, Json::error_handler_t::replace)}};
  const int64_t classes = results.confusion.classes();
  std::vector<int64_t> counts;
  for (int64_t t = 0; t < classes; ++t) {
    for (int64_t p = 0; p < classes; ++p) counts.push_back(results.confusion.count(t, p));
  }
  file.tensors.emplace_back("confusion",
                            Tensor::from<int64_t>({classes, classes}, std::span<const int64_t>(counts)));
  std::vector<const Report::Sample*> samples;
  for (const auto* list : {&results.right, &results.wrong}) {
    for (const Report::Sample& sample : *list) samples.push_back(&sample);
  }
  if (!samples.empty()) {
    const auto n = static_cast<int64_t>(samples.size());
    const Shape& image = samples[0]->image;
    std::vector<uint8_t> pixels;
    std::vector<int64_t> truth, predicted, index;
    std::vector<double> confidence;
    for (const Report::Sample* sample : samples) {
      pixels.insert(pixels.end(), sample->pixels.begin(), sample->pixels.end());
      truth.push_back(sample->truth);
      predicted.push_back(sample->predicted);
      index.push_back(sample->index);
      confidence.push_back(sample->confidence);
    }
    const auto add = [&file]<class T>(const char* name, const Shape& shape, const std::vector<T>& values) {
      file.tensors.emplace_back(name, Tensor::from<T>(shape, std::span<const T>(values)));
    };
    add("images", {n, image[0], image[1], image[2]}, pixels);
    add("truth", {n}, truth);
    add("predicted", {n}, predicted);
    add("confidence", {n}, confidence);
    add("index", {n}, index);
  }
  seal(file);
  write_safetensors(path, file);
}

TestResults load_test_results(const std::filesystem::path& path) {
  const std::string where = path.string();
  const SafetensorsFile file = read_safetensors(path);
  check_seal(file, where);
  TestResults results;
  const auto text = file.metadata.find(kKey);
  if (text == file.metadata.end()) {
    throw Error(ErrorKind::model, "this file holds no test results").where(where);
  }
  try {
    const Json json = Json::parse(text->second);
    results.loss = json.at("loss").is_null() ? kMissing : json.at("loss").get<double>();
    results.accuracy = json.at("accuracy").get<double>();
    results.classes = json.at("classes").get<std::vector<std::string>>();
  } catch (const Json::exception& e) {
    throw Error(ErrorKind::model, "the test results cannot be understood").where(where).got(json_message(e));
  }
  const auto classes = static_cast<int64_t>(results.classes.size());
  const auto counts = tensor(file, "confusion", Dtype::i64, {classes, classes}, where).span<int64_t>();
  results.confusion = ConfusionMatrix(classes);
  for (int64_t i = 0; i < classes * classes; ++i) {
    results.confusion.add(i / classes, i % classes, counts[static_cast<size_t>(i)]);
  }
  const Tensor* images = file.find("images");
  if (!images) return results;
  const Shape shape = images->shape();
  const int64_t n = shape.rank() == 4 ? shape[0] : 0;
  const Shape image = shape.rank() == 4 ? Shape{shape[1], shape[2], shape[3]} : Shape{};
  tensor(file, "images", Dtype::u8, {n, image[0], image[1], image[2]}, where);
  const int64_t* truth = tensor(file, "truth", Dtype::i64, {n}, where).data<int64_t>();
  const int64_t* predicted = tensor(file, "predicted", Dtype::i64, {n}, where).data<int64_t>();
  const int64_t* index = tensor(file, "index", Dtype::i64, {n}, where).data<int64_t>();
  const double* confidence = tensor(file, "confidence", Dtype::f64, {n}, where).data<double>();
  for (int64_t i = 0; i < n; ++i) {
    const uint8_t* pixels = images->data<uint8_t>() + i * image.elements();
    (truth[i] == predicted[i] ? results.right : results.wrong)
        .push_back(
            {image, {pixels, pixels + image.elements()}, truth[i], predicted[i], confidence[i], index[i]});
  }
  return results;
}

}  // namespace unfold
