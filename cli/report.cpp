// unfold report: the page of a run, made again from its folder, or several runs side by side.
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "unfold/files.h"
#include "unfold/train/comparison.h"
#include "unfold/train/run_folder.h"
#include "unfold/train/run_report.h"

namespace unfold::cli {
namespace {

struct ReportFlags {
  std::vector<std::string> runs;
  std::string out;
  bool json = false;
};

/// The reports of the folders, titled by the folders' names, or by their paths where two have one name.
std::vector<Report> read_reports(const std::vector<std::string>& folders) {
  std::vector<Report> reports;
  for (const std::string& folder : folders) reports.push_back(read_report(folder));
  std::vector<std::string> names;
  for (const Report& report : reports) names.push_back(report.title);
  for (size_t i = 0; i < reports.size(); ++i) {
    if (std::count(names.begin(), names.end(), names[i]) > 1) reports[i].title = folders[i];
  }
  return reports;
}

int make_page(const ReportFlags& o) {
  std::vector<std::string> runs = o.runs;
  if (runs.empty()) runs.push_back(RunFolder::newest().path().string());
  if (runs.size() > kMaxCompared) {
    throw Error(ErrorKind::usage, "too many runs for one page")
        .wanted("at most " + std::to_string(kMaxCompared))
        .got(std::to_string(runs.size()))
        .hint("compare them in groups");
  }
  const std::vector<Report> reports = read_reports(runs);
  const bool one = runs.size() == 1;
  std::filesystem::path out = o.out;
  if (o.out.empty()) out = one ? std::filesystem::path(runs[0]) / "report.html" : "comparison.html";
  write_file(out, one ? report_html(reports[0]) : comparison_html(reports));
  if (!o.json) {
    std::cout << "report: " << out.string() << '\n';
    return kOk;
  }
  nlohmann::ordered_json json = {{"report", out.string()}, {"runs", nlohmann::json::array()}};
  for (size_t i = 0; i < runs.size(); ++i) {
    const Report& r = reports[i];
    const auto number = [](double v) { return std::isfinite(v) ? nlohmann::json(v) : nlohmann::json(); };
    json["runs"].push_back({{"run", runs[i]},
                            {"epochs", r.epochs.size()},
                            {"best_epoch", r.best_epoch},
                            {"test_accuracy", number(r.test_accuracy)},
                            {"test_loss", number(r.test_loss)}});
  }
  std::cout << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  return kOk;
}

}  // namespace

void add_report(CLI::App& app, Global& global) {
  auto o = std::make_shared<ReportFlags>();
  CLI::App* c =
      app.add_subcommand("report", "Make a run's page again from its folder, or compare runs in one");
  c->add_option("RUN", o->runs, "Run folders, up to 8; default: the newest run");
  c->add_option("-o,--out", o->out,
                "File to write; default: report.html in the run's folder, or comparison.html here");
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer(
      "Examples:\n"
      "  unfold report\n"
      "  unfold report runs/lenet5-1 -o page.html\n"
      "  unfold report runs/lenet5-1 runs/lenet5-2");
  on_run(c, global, [o] { return make_page(*o); });
}

}  // namespace unfold::cli
