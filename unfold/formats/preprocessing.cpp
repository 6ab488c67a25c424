#include "unfold/formats/preprocessing.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "unfold/error.h"
#include "unfold/formats/json_message.h"
#include "unfold/formats/json_number.h"
#include "unfold/formats/preprocessing_json.h"
#include "unfold/text.h"

namespace unfold {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kKeys[] = {"image", "fit", "output", "mean", "std", "picture"};

/// One number, or a list.
Json numbers(const PerChannel& of) {
  const auto values = of.values();
  return values.size() == 1 ? Json(values[0]) : Json(std::vector<double>(values.begin(), values.end()));
}
PerChannel per_channel(const Json& json) {
  return json.is_array() ? PerChannel(json.get<std::vector<double>>()) : PerChannel(json.get<double>());
}

/// One of two words.
bool first_of(const Json& json, std::string_view first, std::string_view second) {
  const auto word = json.get<std::string>();
  if (word != first && word != second) {
    throw Error(ErrorKind::model, "unknown preprocessing")
        .wanted(std::string(first) + " or " + std::string(second))
        .got(printable(word));
  }
  return word == first;
}

}  // namespace

Json preprocessing_json(const Preprocessing& how) {
  return {{"image", {how.image_h, how.image_w}},
          {"fit", how.fit == Preprocessing::Fit::pad ? "pad" : "bilinear"},
          {"output", {how.out_h, how.out_w}},
          {"mean", numbers(how.mean)},
          {"std", numbers(how.std)},
          {"picture", how.digit ? "digit" : "none"}};
}

std::string preprocessing_text(const Preprocessing& how) {
  return preprocessing_json(how).dump();
}

Preprocessing preprocessing_from(const Json& json, const Preprocessing* otherwise) {
  if (!json.is_object()) throw Error(ErrorKind::model, "the preprocessing is no JSON object");
  for (const auto& entry : json.items()) {
    if (otherwise && std::ranges::find(kKeys, entry.key()) == std::end(kKeys)) {
      throw Error(ErrorKind::model, "unknown preprocessing")
          .wanted("image, fit, output, mean, std or picture")
          .got(printable(entry.key()));
    }
  }
  Preprocessing how = otherwise ? *otherwise : Preprocessing{};
  const auto given = [&](const char* key) { return !otherwise || json.contains(key); };
  const auto sides = [&](const char* key, int64_t& h, int64_t& w) {
    if (!given(key)) return;
    h = whole_number<int64_t>(json.at(key).at(0)), w = whole_number<int64_t>(json.at(key).at(1));
  };
  sides("image", how.image_h, how.image_w);
  sides("output", how.out_h, how.out_w);
  if (given("fit")) {
    how.fit =
        first_of(json.at("fit"), "pad", "bilinear") ? Preprocessing::Fit::pad : Preprocessing::Fit::bilinear;
  }
  if (given("mean")) how.mean = per_channel(json.at("mean"));
  if (given("std")) how.std = per_channel(json.at("std"));
  if (given("picture")) how.digit = first_of(json.at("picture"), "digit", "none");
  return how;
}

Preprocessing parse_preprocessing(std::string_view text, std::string_view where,
                                  const Preprocessing* otherwise) {
  constexpr const char* kHint = "docs/formats.md says how a preprocessing is written";
  try {
    return preprocessing_from(Json::parse(text), otherwise);
  } catch (const Error& e) {
    throw Error(ErrorKind::model, e.what()).where(where).hint(e.hint().empty() ? kHint : e.hint());
  } catch (const std::exception& e) {  // from the JSON library
    throw Error(ErrorKind::model, "the preprocessing cannot be understood")
        .where(where)
        .got(json_message(e))
        .hint(kHint);
  }
}

}  // namespace unfold
