// The guide says what is: its code stands in the sources, its outputs are what the programs print, its links
// lead somewhere, its table knows every figure of the article.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace fs = std::filesystem;

namespace {

using Lines = std::vector<std::string>;

const fs::path kSource = UNFOLD_SOURCE, kGuide = kSource / "docs/guide";

std::string content(const fs::path& path) {
  std::ifstream file(path);
  REQUIRE_MESSAGE(file.good(), path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The lines without the blanks around them: how deep a block is indented does not matter.
Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find_first_not_of(" \t"), last = line.find_last_not_of(" \t\r");
    lines.push_back(first == std::string::npos ? "" : line.substr(first, last - first + 1));
  }
  return lines;
}

std::vector<fs::path> chapters() {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(kGuide)) {
    if (entry.path().extension() == ".md") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  REQUIRE(found.size() == 9);
  return found;
}

/// The chapters, and what else shows code and results.
std::vector<fs::path> documents() {
  std::vector<fs::path> all = chapters();
  all.push_back(kSource / "docs/coming-from.md");
  return all;
}

struct Block {
  std::string chapter, language, source;  // source: what the comment before it names
  Lines lines;
};

/// Everything between fences. The line before one may be "<!-- from FILE -->" or "<!-- printed by PROGRAM
/// -->".
std::vector<Block> blocks() {
  static const std::regex comment("<!-- (?:from|printed by) (\\S+) -->");
  std::vector<Block> all;
  for (const fs::path& path : documents()) {
    std::istringstream in(content(path));
    std::string before;
    bool open = false;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("```")) {
        open = !open;
        std::smatch names;
        if (open) {
          const bool named = std::regex_match(before, names, comment);
          all.push_back({path.filename().string(), line.substr(3), named ? names[1].str() : "", {}});
        }
      } else if (open) {
        all.back().lines.push_back(lines_of(line + "\n")[0]);
      }
      before = line;
    }
    REQUIRE_FALSE(open);
  }
  return all;
}

/// Whether the parts of `block` between lines "..." stand in `text` one after the other, each in one piece.
/// What does not is put into `missing`.
bool stands_in(const Lines& text, const Lines& block, std::string& missing) {
  auto at = text.begin();
  for (auto from = block.begin(); from != block.end();) {
    const auto to = std::find(from, block.end(), "...");
    const auto found = std::search(at, text.end(), from, to);
    if (found == text.end() && from != to) {
      missing = *from;
      return false;
    }
    at = found + (to - from);
    from = to == block.end() ? to : to + 1;
  }
  return true;
}

}  // namespace

TEST_CASE("the comparison finds a changed line, a left out line and lines in another order") {
  const Lines text = {"a", "b", "c", "d"};
  std::string missing;
  CHECK(stands_in(text, {"b", "c"}, missing));
  CHECK(stands_in(text, {"a", "...", "c", "d"}, missing));
  CHECK_FALSE(stands_in(text, {"b", "x"}, missing));
  CHECK_FALSE(stands_in(text, {"a", "c"}, missing));
  CHECK_FALSE(stands_in(text, {"c", "...", "b"}, missing));
}

TEST_CASE("every block of code stands in the file it names") {
  int compared = 0;
  for (const Block& block : blocks()) {
    if (block.language != "cpp") continue;
    CAPTURE(block.chapter);
    REQUIRE_FALSE(block.lines.empty());
    REQUIRE_FALSE(block.source.empty());
    std::string missing;
    const bool stands = stands_in(lines_of(content(kSource / block.source)), block.lines, missing);
    CHECK_MESSAGE(stands, block.source, " has no more the lines that begin with: ", missing);
    ++compared;
  }
  CHECK(compared >= 15);
}

TEST_CASE("every result in the guide is what its program prints, and each program finds itself right") {
  std::set<std::string> programs;
  for (const auto& entry : fs::directory_iterator(kGuide / "code")) {
    if (entry.path().extension() == ".cpp") programs.insert("guide_" + entry.path().stem().string());
  }
  REQUIRE(programs.size() >= 8);
  for (const std::string& program : programs) {
    CAPTURE(program);
    CHECK(unfold::test::run({(fs::path(UNFOLD_GUIDE_PROGRAMS) / program).string()}).code == 0);
  }
  int compared = 0;
  for (const Block& block : blocks()) {
    CAPTURE(block.chapter);
    if (block.chapter == "coming-from.md" && block.language == "c++") continue;  // of other libraries
    CHECK((block.language == "cpp" || block.language == "text" ||
           block.language == "console"));  // nothing else, unchecked
    if (block.language == "cpp") continue;
    Lines wanted = block.lines;
    std::vector<std::string> command;
    if (block.language == "text") {
      REQUIRE(programs.contains(block.source));
      command = {(fs::path(UNFOLD_GUIDE_PROGRAMS) / block.source).string()};
    } else {
      REQUIRE(wanted.at(0).starts_with("$ unfold "));
#ifdef UNFOLD_PROGRAM
      std::istringstream words(wanted[0].substr(2));
      for (std::string word; words >> word;) command.push_back(word);
      command[0] = UNFOLD_PROGRAM;
      wanted.erase(wanted.begin());
#else
      continue;
#endif
    }
    std::string missing;
    const auto printed = unfold::test::run(command);
    const bool stands = stands_in(lines_of(printed.out), wanted, missing);
    CHECK_MESSAGE(stands, "not printed: ", missing, "\n", printed.out, printed.err);
    ++compared;
  }
  CHECK(compared >= 7);
}

TEST_CASE("every link leads to a file, every figure is shown, every picture is described") {
  static const std::regex link("(!?)\\[([^\\]]*)\\]\\(([^)]*)\\)");
  std::set<std::string> shown;
  for (const fs::path& path : documents()) {
    CAPTURE(path);
    static const std::regex fenced("```[^`]*```");  // C++ has brackets of its own
    const std::string text = std::regex_replace(content(path), fenced, "");
    for (std::sregex_iterator at(text.begin(), text.end(), link), end; at != end; ++at) {
      std::string target = (*at)[3];
      if (target.starts_with("https://")) continue;
      target = target.substr(0, target.find('#'));
      CHECK_MESSAGE(fs::exists(path.parent_path() / target), target);
      CHECK((*at)[2].length() > 0);
      if ((*at)[1] == "!") shown.insert(fs::path(target).filename().string());
    }
  }
  for (const auto& entry : fs::directory_iterator(kGuide / "figures")) {
    const std::string name = entry.path().filename().string();
    CHECK_MESSAGE(shown.contains(name), name, " is shown in no chapter");
    const std::string svg = content(entry.path());
    CHECK(svg.find("<title id=\"t\">") != std::string::npos);
    CHECK(svg.find("<desc id=\"d\">") != std::string::npos);
  }
  CHECK(shown.size() >= 25);
}

TEST_CASE("each chapter leads to the next") {
  const auto all = chapters();  // 1 to 8, then README
  for (size_t k = 0; k + 2 < all.size(); ++k) {
    CHECK_MESSAGE(content(all[k]).find("](" + all[k + 1].filename().string() + ")") != std::string::npos,
                  all[k].string());
    CHECK_MESSAGE(content(all[k + 1]).find("](" + all[k].filename().string() + ")") != std::string::npos,
                  all[k + 1].string());
  }
}

TEST_CASE("every figure of the article has a figure of ours and a scene") {
  std::set<std::string> wanted = {"1-pool", "12-a", "12-b", "12-c", "13-a", "13-b", "13-c"};
  for (int figure = 0; figure <= 27; ++figure) {
    if (figure != 12 && figure != 13) wanted.insert(std::to_string(figure));
  }
  std::string scenes;
  for (const auto& entry : fs::directory_iterator(kSource / "unfold/explain/page"))
    scenes += content(entry.path());
  static const std::regex row("\\| (\\S+) \\| [^|]+ \\| (\\[[^|]+\\.svg\\)[^|]*) \\| ([^|]+) \\|");
  std::set<std::string> mapped;
  for (const std::string& line : lines_of(content(kGuide / "8-errata.md"))) {
    std::smatch cells;
    if (!std::regex_match(line, cells, row)) continue;
    CHECK_MESSAGE(mapped.insert(cells[1]).second, line);
    CHECK_MESSAGE(scenes.find("title: \"" + cells[3].str() + "\"") != std::string::npos, line);
  }
  CHECK(mapped == wanted);
}

TEST_CASE("the tree of the architecture names every file of the library") {
  const std::string text = content(kSource / "docs/architecture.md");
  const size_t begin = text.find("```"), end = text.find("```", begin + 3);
  REQUIRE(end != std::string::npos);
  std::set<std::string> words;
  const std::regex word("[A-Za-z0-9_]+");
  const std::string tree = text.substr(begin, end - begin);
  for (std::sregex_iterator at(tree.begin(), tree.end(), word), last; at != last; ++at)
    words.insert(at->str());
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kSource / "unfold")) {
    const std::string kind = entry.path().extension().string();
    if (kind != ".h" && kind != ".cpp") continue;
    std::string stem = entry.path().stem().string();
    if (stem.ends_with("-inl")) stem.resize(stem.size() - 4);
    CHECK_MESSAGE(words.contains(stem), entry.path().string());
    ++files;
  }
  CHECK(files > 200);
}
