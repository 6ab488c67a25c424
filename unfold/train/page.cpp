#include "unfold/train/page.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "unfold/data/sha256.h"
#include "unfold/embedded_file.h"
#include "unfold/train/html.h"
#include "unfold/train/metrics.h"

namespace unfold::html {
namespace {

constexpr size_t kLongText = 400, kNote = 2000;  // characters

/// The text of a file of unfold/train/page/.
std::string_view file(std::string_view name) {
  const auto files = report_files();
  return std::find_if(files.begin(), files.end(), [&](const EmbeddedFile& f) { return f.name == name; })
      ->text;
}

std::string hash_of(std::string_view script) {
  const std::string hex = sha256(std::as_bytes(std::span(script)));
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return base64(bytes);
}

}  // namespace

std::string page(const Page& page) {
  const std::string note =
      page.note.empty() ? "" : "<p class=\"note\" role=\"note\">" + name(page.note, kNote) + "</p>\n";
  std::string script(file("report.js"));
  if (page.replay) script += file("replay.js");
  const std::pair<std::string_view, std::string> parts[] = {
      {"hash", hash_of(script)},
      {"title_text", escape(page.title, kLongText)},
      {"style", std::string(file("report.css"))},
      {"title", name(page.title, kLongText)},
      {"subtitle", std::string(page.subtitle)},
      {"note", note},
      {"main", std::string(page.main)},
      {"script", script},
  };
  // One pass over the frame: what a part holds is never searched for the name of another.
  std::string out;
  std::string_view rest = file("report.html");
  for (size_t open = rest.find("{{"); open != std::string_view::npos; open = rest.find("{{")) {
    const size_t close = rest.find("}}", open);
    const std::string_view wanted = rest.substr(open + 2, close - open - 2);
    out += rest.substr(0, open);
    out += std::find_if(std::begin(parts), std::end(parts), [&](const auto& part) {
             return part.first == wanted;
           })->second;
    rest.remove_prefix(close + 2);
  }
  return out.append(rest);
}

std::string section(std::string_view id, std::string_view heading, std::string_view body) {
  const std::string label(id);
  return "<section aria-labelledby=\"" + label + "\"><h2 id=\"" + label + "\">" + std::string(heading) +
         "</h2>\n" + std::string(body) + "</section>\n";
}

std::string table(std::string_view style, std::string_view caption, std::string_view head,
                  std::string_view body) {
  const std::string text(caption);
  return "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" + text +
         "\">\n<table class=\"" + std::string(style) + "\"><caption>" + text + "</caption>\n<thead><tr>" +
         std::string(head) + "</tr></thead>\n<tbody>\n" + std::string(body) + "</tbody></table>\n</div>\n";
}

std::string column(std::string_view text) {
  return "<th scope=\"col\">" + std::string(text) + "</th>";
}
std::string row_head(std::string_view text) {
  return "<th scope=\"row\">" + std::string(text) + "</th>";
}
std::string cell(std::string_view text) {
  return "<td>" + std::string(text) + "</td>";
}

std::string duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e12) return number(kMissing, 0);
  if (seconds < 59.95) return number(seconds, 1) + " s";
  const auto s = static_cast<int64_t>(std::llround(seconds));
  const auto two = [](int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  if (s < 3600) return std::to_string(s / 60) + " min " + two(s % 60) + " s";
  return std::to_string(s / 3600) + " h " + two(s / 60 % 60) + " min";
}

std::string rounded(double value) {
  return std::abs(value) < 1e15 ? count(std::llround(value)) : number(kMissing, 0);
}

}  // namespace unfold::html
