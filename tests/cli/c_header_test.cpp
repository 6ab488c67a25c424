// unfold export --c-header: what compilers and programs make of it.
#include <doctest/doctest.h>

#include "tests/support/run.h"
#include "unfold/files.h"
#include "unfold/formats/model_file.h"

using namespace unfold;
using namespace unfold::test;
using unfold::testing::TemporaryFolder;

namespace {

/// A model whose texts try to leave the strings and comments they stand in.
void save_hostile(const fs::path& path) {
  Model model = make_model("lenet5", 4);
  Graph g;
  g.linear("fc", g.flatten("flatten", g.input({1, 32, 32})), 4);
  model.graph = g;
  model.parameters = Parameters<float>(g.parameter_table());
  initialise(model.parameters, Init::pytorch, 4);
  model.name = "a\"; int main; //\\";
  model.classes = {"\"", "\\", "?\?/\n0", "\xc3\xa9"};
  save_model(path, model);
}

}  // namespace

TEST_CASE("--c-header: C and C++ compile it without a warning, and find the model file's bytes in it") {
  const TemporaryFolder folder;
  const std::string model = folder / "m.safetensors", header = folder / "net.h";
  save_hostile(model);
  const ProcessResult r = unfold_program({"export", model, "--c-header", header, "--name", "2 nets"});
  CAPTURE(r.err);
  CHECK(r.code == 0);
  CHECK(contains(r.out, "model_2_nets_model"));

  write_file(
      folder / "main.c",
      std::string_view("#include <stdio.h>\n#include \"net.h\"\n"
                       "int main(void) {\n"
                       "  fwrite(model_2_nets_model, 1, model_2_nets_bytes, stdout);\n"
                       "  fprintf(stderr, \"%s|%s|%s|%s|%s|%d %d %d|%d %d\", model_2_nets_name, "
                       "model_2_nets_classes[0], model_2_nets_classes[1], model_2_nets_classes[2], "
                       "model_2_nets_classes[3], (int)model_2_nets_input[0], (int)model_2_nets_input[1], "
                       "(int)model_2_nets_input[2], (int)model_2_nets_image[0], "
                       "(int)model_2_nets_image[1]);\n  return 0;\n}\n"));
  for (const std::vector<std::string>& language : {std::vector<std::string>{"-x", "c", "-std=c99"},
                                                   std::vector<std::string>{"-x", "c++", "-std=c++17"}}) {
    CAPTURE(language.back());
    std::vector<std::string> compile = {UNFOLD_CXX};
    compile.insert(compile.end(), language.begin(), language.end());
    const std::string program = folder / "program", source = folder / "main.c";
    for (const char* word :
         {"-Wall", "-Wextra", "-Werror", "-pedantic-errors", "-o", program.c_str(), source.c_str()})
      compile.emplace_back(word);
    const ProcessResult compiled = run(compile);
    CAPTURE(compiled.err);
    REQUIRE(compiled.code == 0);
    const ProcessResult ran = run({program});
    CHECK(ran.code == 0);
    CHECK(ran.out == text_of(model));
    CHECK(ran.err == "a\"; int main; //\\|\"|\\|?\?/\n0|\xc3\xa9|1 32 32|28 28");
  }
}

TEST_CASE("export without a format, and of no model, say so") {
  const TemporaryFolder folder;
  const std::string model = folder / "m.safetensors";
  save_hostile(model);
  ProcessResult r = unfold_program({"export", model});
  CHECK(r.code == 2);
  CHECK(contains(r.err, "no file to write"));
  write_file(folder / "no.safetensors", std::string_view("no model"));
  r = unfold_program({"export", folder / "no.safetensors", "--c-header", folder / "no.h"});
  CHECK(r.code == 4);
  CHECK(!fs::exists(folder / "no.h"));
}
