// unfold run: an ONNX model on tensors from files.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/run.h"
#include "cli/summary_onnx.h"
#include "cli/table.h"
#include "unfold/files.h"
#include "unfold/formats/npy.h"
#include "unfold/formats/onnx/reader.h"
#include "unfold/onnx/convert.h"
#include "unfold/onnx/session.h"
#include "unfold/suggest.h"

namespace unfold::cli {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct RunFlags {
  std::string model;
  std::vector<std::string> inputs, outputs;
  int repeat = 1;
  bool json = false;
  MachineOptions machine;
};

/// "NAME=FILE", where NAME is one of `names`, or FILE alone.
std::pair<std::string, std::string> name_and_file(const std::string& text,
                                                  const std::vector<std::string>& names,
                                                  std::string_view what) {
  for (size_t equals = text.find('='); equals != std::string::npos; equals = text.find('=', equals + 1)) {
    if (std::ranges::find(names, text.substr(0, equals)) != names.end()) {
      return {text.substr(0, equals), text.substr(equals + 1)};
    }
  }
  const size_t equals = text.find('=');
  if (equals != std::string::npos && !fs::exists(text))
    throw unknown_name(what, text.substr(0, equals), names);
  return {"", text};
}

Tensor read_tensor(const std::string& file) {
  const std::string extension = fs::path(file).extension().string();
  if (extension == ".npy") return read_npy(file);
  if (extension == ".pb") return onnx::parse_tensor(read_file(file, ErrorKind::data), file);
  throw Error(ErrorKind::usage, "a kind of file that no tensor is read from")
      .where(file)
      .wanted(".npy (NumPy) or .pb (a TensorProto)")
      .hint("numpy.save('x.npy', x.astype('float32')) writes one");
}

/// Every --input's tensor by name; those without one go to the inputs that are left, in order.
std::map<std::string, Tensor> read_inputs(const onnx::Session& session,
                                          const std::vector<std::string>& given) {
  std::vector<std::string> names;
  for (const onnx::ValueInfo& input : session.inputs()) names.push_back(input.name);
  std::map<std::string, std::string> files;
  std::vector<std::string> nameless;
  for (const std::string& text : given) {
    const auto [name, file] = name_and_file(text, names, "input");
    if (name.empty()) {
      nameless.push_back(file);
    } else if (!files.emplace(name, file).second) {
      throw Error(ErrorKind::usage, "two files for one input").where("--input").got(name);
    }
  }
  size_t next = 0;
  for (const std::string& name : names) {
    if (next < nameless.size() && !files.contains(name) && !session.has_default(name))
      files[name] = nameless[next++];
  }
  if (next < nameless.size()) {
    throw Error(ErrorKind::usage, "more files than the model has inputs")
        .where("--input")
        .wanted(std::to_string(next))
        .got(std::to_string(nameless.size()))
        .hint("the inputs are " + session.inputs_text());
  }
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, file] : files) tensors[name] = read_tensor(file);
  return tensors;
}

/// The files the outputs go to, by their place; empty: to none.
std::vector<std::string> output_files(const onnx::Session& session, const std::vector<std::string>& given) {
  std::vector<std::string> names, files(session.outputs().size());
  for (const onnx::ValueInfo& output : session.outputs()) names.push_back(output.name);
  const bool folder = given.size() == 1 && (given[0].ends_with('/') || fs::is_directory(given[0]));
  if (folder) {
    require_writable(given[0]);
    for (size_t i = 0; i < files.size(); ++i) {
      std::string name = shown(names[i]);
      std::ranges::replace(name, '/', '_');
      files[i] = (fs::path(given[0]) / (name + ".npy")).string();
    }
  }
  for (size_t i = 0; i < given.size() && !folder; ++i) {
    const auto [name, file] = name_and_file(given[i], names, "output");
    const auto at = name.empty() ? static_cast<ptrdiff_t>(i) : std::ranges::find(names, name) - names.begin();
    if (at >= std::ssize(files)) {
      throw Error(ErrorKind::usage, "more files than the model has outputs")
          .where("--output")
          .wanted(std::to_string(files.size()))
          .got(std::to_string(given.size()));
    }
    if (fs::path(file).extension() != ".npy") {
      throw Error(ErrorKind::usage, "outputs are written as .npy").where("--output").got(file);
    }
    files[static_cast<size_t>(at)] = file;
  }
  std::vector<std::string> sorted = files;
  std::ranges::sort(sorted);
  const auto twice =
      std::ranges::adjacent_find(sorted, [](const auto& a, const auto& b) { return !a.empty() && a == b; });
  if (twice != sorted.end())
    throw Error(ErrorKind::usage, "two outputs go to one file").where("--output").got(*twice);
  return files;
}

/// What there is to say about a tensor's elements.
struct Statistics {
  double least = 0, mean = 0, most = 0;
  int64_t finite = 0, others = 0;
};

Statistics statistics_of(const Tensor& t) {
  Tensor wide(Dtype::f64, t.shape());
  onnx::convert(t, wide);
  Statistics s;
  double sum = 0;
  for (const double v : wide.span<double>()) {
    if (!std::isfinite(v)) {
      ++s.others;
      continue;
    }
    s.least = s.finite == 0 ? v : std::min(s.least, v);
    s.most = s.finite == 0 ? v : std::max(s.most, v);
    sum += v;
    ++s.finite;
  }
  s.mean = s.finite == 0 ? 0 : sum / static_cast<double>(s.finite);
  return s;
}

std::string line(const std::string& name, const Tensor& t) {
  const Statistics s = statistics_of(t);
  std::string text =
      "  " + shown(name) + "  " + std::string(onnx::type_text(t.dtype())) + " " + t.shape().text();
  if (s.finite > 0) {
    text +=
        "  min " + number_text(s.least) + "  mean " + number_text(s.mean) + "  max " + number_text(s.most);
  }
  if (s.others > 0) text += "  " + std::to_string(s.others) + " NaN or infinite";
  return text;
}

Json described(const std::string& name, const Tensor& t, const std::string& file) {
  const auto sizes = t.shape().sizes();
  const Statistics s = statistics_of(t);
  const auto number = [&](double v) { return s.finite > 0 ? Json(v) : Json(); };
  Json json = {{"name", name},
               {"dtype", onnx::type_text(t.dtype())},
               {"shape", std::vector<int64_t>(sizes.begin(), sizes.end())},
               {"min", number(s.least)},
               {"mean", number(s.mean)},
               {"max", number(s.most)},
               {"not_finite", s.others}};
  if (!file.empty()) json["file"] = file;
  return json;
}

/// The tensor as NumPy can hold it: bfloat16 as float32.
Tensor for_numpy(const Tensor& t) {
  if (t.dtype() != Dtype::bf16) return t;
  Tensor wide(Dtype::f32, t.shape());
  onnx::convert(t, wide);
  return wide;
}

int run_model(const RunFlags& o) {
  const onnx::Session session(onnx::read_model(o.model));
  const std::vector<std::string> files = output_files(session, o.outputs);
  const std::map<std::string, Tensor> inputs = read_inputs(session, o.inputs);
  ThreadPool pool(o.machine.resolved_threads());
  std::vector<Tensor> results;
  std::vector<double> seconds;
  for (int i = 0; i < o.repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    results = session.run(inputs, pool);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  for (size_t i = 0; i < files.size(); ++i) {
    if (!files[i].empty()) write_npy(files[i], for_numpy(results[i]));
  }
  std::vector<double> sorted = seconds;
  std::ranges::sort(sorted);
  if (o.json) {
    Json json = {{"model", o.model},
                 {"threads", pool.threads()},
                 {"inputs", Json::array()},
                 {"outputs", Json::array()}};
    for (const auto& [name, tensor] : inputs) json["inputs"].push_back(described(name, tensor, ""));
    for (size_t i = 0; i < results.size(); ++i) {
      json["outputs"].push_back(described(session.outputs()[i].name, results[i], files[i]));
    }
    json["seconds"] = seconds;
    std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
    return kOk;
  }
  std::cout << "Inputs\n";
  for (const auto& [name, tensor] : inputs) std::cout << line(name, tensor) << '\n';
  std::cout << "\nOutputs\n";
  for (size_t i = 0; i < results.size(); ++i) {
    std::cout << line(session.outputs()[i].name, results[i]);
    if (!files[i].empty()) std::cout << "  -> " << files[i];
    std::cout << '\n';
  }
  if (o.repeat > 1) {
    constexpr double kMilli = 1e3;
    char text[120];
    std::snprintf(text, sizeof text,
                  "\n%d runs, %d thread%s: fastest %.3f ms, median %.3f ms, first %.3f ms\n", o.repeat,
                  pool.threads(), pool.threads() == 1 ? "" : "s", kMilli * sorted.front(),
                  kMilli * sorted[sorted.size() / 2], kMilli * seconds.front());
    std::cout << text;
  }
  return kOk;
}

}  // namespace

void add_run(CLI::App& app, Global& global) {
  auto o = std::make_shared<RunFlags>();
  CLI::App* c = app.add_subcommand("run", "Run an ONNX model on tensors from files");
  c->add_option("MODEL", o->model, "An ONNX file; 'unfold summary' lists its inputs")->required();
  c->add_option("--input", o->inputs, "FILE.npy or FILE.pb, for one input after the other, or NAME=FILE")
      ->take_all()
      ->expected(1);
  c->add_option("--output", o->outputs,
                "FILE.npy for one output after the other, NAME=FILE.npy, or a folder for all; default: none "
                "is written")
      ->take_all()
      ->expected(1);
  c->add_option("--repeat", o->repeat, "Runs, for timing; default 1")->check(CLI::Range(1, 1000000));
  c->add_option("--threads", o->machine.threads, "Threads; default: as many as this process may use")
      ->check(CLI::Range(1, 1024));
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer(
      "Examples:\n  unfold run net.onnx --input x.npy\n  unfold run net.onnx --input image=x.npy --input "
      "mask=m.pb "
      "--output y.npy\n  unfold run net.onnx --input x.npy --output results/ --repeat 20 --threads 2\n\n"
      "Operators and limits: docs/onnx.md");
  on_run(c, global, [o] { return run_model(*o); });
}

}  // namespace unfold::cli
