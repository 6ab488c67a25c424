// unfold report: the page of a run, made again from its folder.
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "unfold/files.h"
#include "unfold/train/run_folder.h"
#include "unfold/train/run_report.h"

namespace unfold::cli {
namespace {

struct ReportFlags {
  std::string run, out;
  bool json = false;
};

int run_report(const ReportFlags& o) {
  const std::filesystem::path run = o.run.empty() ? RunFolder::newest().path() : std::filesystem::path(o.run);
  const Report report = read_report(run);
  const std::string out = o.out.empty() ? (run / "report.html").string() : o.out;
  write_file(out, report_html(report));
  if (o.json) {
    std::cout << nlohmann::ordered_json{{"report", out}, {"runs", {run.string()}}}.dump() << '\n';
  } else {
    std::cout << "report: " << out << '\n';
  }
  return kOk;
}

}  // namespace

void add_report(CLI::App& app, Global& global) {
  auto o = std::make_shared<ReportFlags>();
  CLI::App* c = app.add_subcommand("report", "Make the page of a run again from its folder");
  c->add_option("RUN", o->run, "Run folder; default: the newest run");
  c->add_option("-o,--out", o->out, "File to write; default: report.html in the run's folder");
  c->add_flag("--json", o->json, "JSON on stdout");
  c->footer("Examples:\n  unfold report\n  unfold report runs/lenet5-1 -o page.html");
  on_run(c, global, [o] { return run_report(*o); });
}

}  // namespace unfold::cli
