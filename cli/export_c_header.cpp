// unfold export --c-header
#include "cli/export.h"
#include "unfold/files.h"
#include "unfold/formats/c_header.h"

namespace unfold::cli {
namespace {

class CHeaderExport final : public ExportKind {
 public:
  void add_to(CLI::App* command) override {
    CLI::Option* file =
        command->add_option("--c-header", path_, "Write a header of C and C++ with the model in it");
    command->add_option("--name", name_, "--c-header: what its names begin with; default: the model's name")
        ->needs(file);
  }
  const std::string& path() const override { return path_; }
  std::string write(const Model& model) const override {
    write_file(path_, c_header(model, name_));
    return model.name + " as " + c_identifier(name_.empty() ? model.name : name_) + "_model";
  }

 private:
  std::string path_, name_;
};

}  // namespace

std::unique_ptr<ExportKind> c_header_export() {
  return std::make_unique<CHeaderExport>();
}

}  // namespace unfold::cli
