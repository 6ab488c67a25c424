#include "cli/train_config.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "unfold/files.h"
#include "unfold/formats/json_message.h"
#include "unfold/suggest.h"
#include "unfold/train/recipe_json.h"

namespace unfold::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMostBytes = 1 << 20;
constexpr int kMostDepth = 32;  // what shows a value walks into it

/// What no file may hold: it is about the file, or about another run.
constexpr const char* kOnlyFlags[] = {"help", "config", "dump-config", "resume"};

/// Settings of the file that count only while their owner is not on the command line.
constexpr std::pair<const char*, const char*> kOwners[] = {
    {"momentum", "optimizer"},  {"nesterov", "optimizer"},   {"betas", "optimizer"},
    {"epsilon", "optimizer"},   {"gamma", "schedule"},       {"step-size", "schedule"},
    {"milestones", "schedule"}, {"milestones", "step-size"}, {"step-size", "milestones"}};

bool only_flag(const std::string& name) {
  return std::find(std::begin(kOnlyFlags), std::end(kOnlyFlags), name) != std::end(kOnlyFlags);
}

std::string key_of(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// The options that may stand in a file, by their first long name.
std::map<std::string, CLI::Option*> options_of(CLI::App& command) {
  std::map<std::string, CLI::Option*> options;
  for (CLI::Option* option : command.get_options()) {
    const auto& names = option->get_lnames();
    if (!names.empty() && !only_flag(names.front())) options[names.front()] = option;
  }
  return options;
}

bool is_flag(const CLI::Option& option) {
  return option.get_items_expected_max() == 0;
}
bool is_list(const CLI::Option& option) {
  return option.get_items_expected_max() > 1;
}
/// "INT", "UINT", "FLOAT" or "TEXT".
std::string type_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

std::string wanted(const CLI::Option& option) {
  if (is_flag(option)) return "true or false";
  const std::string type = type_of(option);
  const std::string one = type == "TEXT" ? "text" : type == "FLOAT" ? "number" : "whole number";
  return is_list(option) ? "a list of " + one + "s" : "a " + one;
}

/// A value as the command line would have it. False if it is of another type.
bool word_of(const CLI::Option& option, const Json& value, std::string& word) {
  const std::string type = type_of(option);
  const bool fits = is_flag(option)   ? value.is_boolean()
                    : type == "TEXT"  ? value.is_string()
                    : type == "FLOAT" ? value.is_number()
                                      : value.is_number_integer();
  if (!fits) return false;
  word = value.is_string() ? value.get<std::string>() : value.dump();
  return true;
}

void give(CLI::Option& option, const Json& value, const std::string& where) {
  std::vector<std::string> words;
  const Json list = is_list(option) && value.is_array() ? value : Json::array({value});
  for (const Json& item : list) {
    std::string word;
    if (!word_of(option, item, word)) {
      throw Error(ErrorKind::usage, "a setting has the wrong type")
          .where(where)
          .wanted(wanted(option))
          .got(value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80));
    }
    words.push_back(word);
  }
  if (words.empty()) return;
  try {
    option.add_result(words);
    option.run_callback();
  } catch (const CLI::Error& e) {
    throw Error(ErrorKind::usage, "a setting cannot be: " + std::string(e.what())).where(where);
  }
}

/// What was given to an option, as JSON.
Json value_of(const CLI::Option& option) {
  if (option.count() == 0) return nullptr;
  if (is_flag(option)) return true;
  Json list = Json::array();
  for (const std::string& word : option.results())
    list.push_back(type_of(option) == "TEXT" ? Json(word) : Json::parse(word, nullptr, false));
  return is_list(option) ? list : list.back();
}

}  // namespace

void read_config(CLI::App& command, const std::string& file) {
  const std::vector<std::byte> bytes = read_file(file, ErrorKind::usage, kMostBytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMostDepth) throw Error(ErrorKind::usage, "lists within lists without end").where(file);
    return true;
  };
  Json json;
  try {
    json = Json::parse(text, shallow, true, true);  // with comments
  } catch (const Json::exception& e) {
    throw Error(ErrorKind::usage, "this is no JSON").where(file).got(json_message(e));
  }
  if (!json.is_object())
    throw Error(ErrorKind::usage, "a config file is a JSON object")
        .where(file)
        .wanted("{\"epochs\": 20, ...}");

  const auto options = options_of(command);
  std::vector<std::string> names;
  std::map<const CLI::Option*, bool> on_line;
  for (const auto& [name, option] : options) {
    names.push_back(key_of(name));
    on_line[option] = option->count() > 0;
  }
  for (const auto& [key, value] : json.items()) {
    const std::string where = file + ": " + key;
    if (key == "environment" || key == "normalise")
      continue;  // of a run's config.json: what follows from others
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', '-');
    CLI::Option* const option = command.get_option_no_throw("--" + name);
    if (only_flag(name))
      throw Error(ErrorKind::usage, "this is a flag alone, no setting of a file").where(where);
    if (!option) throw unknown_name("setting", key, names).where(file);
    if (value.is_null() || on_line[option]) continue;
    const bool owned = std::any_of(std::begin(kOwners), std::end(kOwners), [&](const auto& pair) {
      return option->get_lnames().front() == pair.first && on_line[options.at(pair.second)];
    });
    if (owned) continue;
    if (option->count() > 0)
      throw Error(ErrorKind::usage, "this setting stands there under two names").where(where);
    give(*option, value, where);
  }
}

std::string config_text(const CLI::App& command, const TrainFlags& flags, const Recipe& recipe) {
  Json json = {{"model", flags.model}, {"data", flags.data.empty() ? "mnist" : flags.data}};
  json.update(Json::parse(recipe_json(recipe, -1)));
  json.erase("normalise");  // follows from the model
  for (const CLI::Option* option : command.get_options()) {
    const auto& names = option->get_lnames();
    if (names.empty() || only_flag(names.front()) || json.contains(key_of(names.front()))) continue;
    json[key_of(names.front())] = value_of(*option);
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace unfold::cli
