// The kinds of files that `unfold export` writes. A kind is one file, cli/export_NAME.cpp, with one function
// that is named here and in the list of export.cpp.
#pragma once

#include <memory>
#include <string>

#include "cli/command.h"
#include "unfold/model.h"

namespace unfold::cli {

class ExportKind {
 public:
  virtual ~ExportKind() = default;
  /// Its options: the one that names the file, and those that say how it is written.
  virtual void add_to(CLI::App* command) = 0;
  /// The file that was asked for; empty: none.
  virtual const std::string& path() const = 0;
  /// Writes the file and returns in a few words what is in it.
  virtual std::string write(const Model& model) const = 0;
};

using MakeExportKind = std::unique_ptr<ExportKind>();
MakeExportKind onnx_export, safetensors_export, c_header_export;

}  // namespace unfold::cli
