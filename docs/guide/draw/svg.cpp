#include "docs/guide/draw/svg.h"

namespace unfold::guide {
namespace {

constexpr int kMargin = 18, kNumbers = 13, kWords = 14;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

std::string attributes(std::initializer_list<std::pair<const char*, int>> list) {
  std::string out;
  for (const auto& [name, value] : list)
    out += std::string(" ") + name + "=\"" + std::to_string(value) + "\"";
  return out;
}

const char* name_of(Ink ink) {
  constexpr const char* kNames[] = {"paper", "blue", "orange", "green", "purple", "grey"};
  return kNames[static_cast<size_t>(ink)];
}

/// No less than the words' width in the fonts of style(): letters of UTF-8, 0.62 of the size each.
int width_of(std::string_view words, int size) {
  const auto letters = std::count_if(words.begin(), words.end(), [](char c) { return (c & 0xC0) != 0x80; });
  return static_cast<int>(letters) * size * 62 / 100;
}

/// A card of its own colour, so that the picture reads on a light and on a dark page.
constexpr const char* kStyle = R"(<style>
text { font-family: "DejaVu Sans", Verdana, "Segoe UI", Arial, sans-serif; fill: #1b1b1b; }
.n { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 13px; text-anchor: middle; }
.l { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 11px; fill: #555; }
.cell { stroke: #9a9a9a; } .paper { fill: #fff; } .blue { fill: #cde4f5; } .orange { fill: #fde2ad; }
.green { fill: #c5ebdd; } .purple { fill: #f3d5e5; } .grey { fill: #e4e4e4; }
.line { stroke: #444; stroke-width: 2; fill: none; } .edge { stroke: #1b1b1b; stroke-width: 2; fill: none; }
.frame { fill: none; stroke-width: 3; } .f-paper, .f-grey { stroke: #444; } .f-blue { stroke: #0072b2; }
.f-orange { stroke: #c26a00; } .f-green { stroke: #007d5c; } .f-purple { stroke: #a3286f; }
</style>
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0 10 5 0 10z" fill="#444"/></marker></defs>
)";

}  // namespace

Drawing::Drawing(std::string title, std::string description)
    : title_(std::move(title)), description_(std::move(description)) {}

void Drawing::text(int x, int y, std::string_view words, Align align, int size, bool bold) {
  const int width = width_of(words, size);
  const int from = align == Align::left ? x : align == Align::middle ? x - width / 2 : x - width;
  reach(from, y - size);
  reach(from + width, y + size / 3);
  constexpr const char* kAnchors[] = {"start", "middle", "end"};
  body_ += "<text" + attributes({{"x", x}, {"y", y}, {"font-size", size}}) + " text-anchor=\"" +
           kAnchors[static_cast<size_t>(align)] + "\"" + (bold ? " font-weight=\"bold\"" : "") + ">" +
           escaped(words) + "</text>\n";
}

Box Drawing::grid(int x, int y, const Grid& g) {
  const Box box{x, y, g.cols * g.cell_w, g.rows * g.cell_h, g.cell_w, g.cell_h};
  reach(x, y);
  reach(box.right(), box.bottom());
  for (int r = 0; r < g.rows; ++r) {
    for (int c = 0; c < g.cols; ++c) {
      const Box cell = box.cells(r, c);
      body_ += std::string("<rect class=\"cell ") + name_of(g.ink(r, c)) + "\"" +
               attributes({{"x", cell.x}, {"y", cell.y}, {"width", cell.w}, {"height", cell.h}}) + "/>";
      body_ += "<text class=\"n\"" +
               attributes({{"x", cell.middle_x()}, {"y", cell.middle_y() + kNumbers * 36 / 100}}) + ">" +
               escaped(g.text(r, c)) + "</text>\n";
    }
  }
  for (int r = g.band; g.band > 0 && r < g.rows; r += g.band) {
    const int at = y + r * g.cell_h;
    body_ += "<line class=\"edge\"" + attributes({{"x1", x}, {"y1", at}, {"x2", box.right()}, {"y2", at}}) +
             "/>\n";
  }
  for (size_t r = 0; r < g.row_labels.size(); ++r) {
    const int at = y + static_cast<int>(r) * g.cell_h + g.cell_h / 2 + 4;
    reach(x - 6 - width_of(g.row_labels[r], 11), at);
    body_ += "<text class=\"l\"" + attributes({{"x", x - 6}, {"y", at}}) + " text-anchor=\"end\">" +
             escaped(g.row_labels[r]) + "</text>\n";
  }
  for (size_t c = 0; c < g.col_labels.size(); ++c) {
    body_ += "<text class=\"l\"" +
             attributes({{"x", x + static_cast<int>(c) * g.cell_w + g.cell_w / 2}, {"y", y - 5}}) +
             " text-anchor=\"middle\">" + escaped(g.col_labels[c]) + "</text>\n";
  }
  const int above = y - (g.col_labels.empty() ? 8 : 22);
  if (!g.title.empty()) text(box.middle_x(), above, g.title, Align::middle, kWords, true);
  if (!g.note.empty()) text(box.middle_x(), box.bottom() + 18, g.note, Align::middle, 12);
  return box;
}

void Drawing::frame(const Box& cells, Ink ink) {
  body_ += std::string("<rect class=\"frame f-") + name_of(ink) + "\"" +
           attributes({{"x", cells.x}, {"y", cells.y}, {"width", cells.w}, {"height", cells.h}}) + "/>\n";
}

void Drawing::arrow(int x0, int y0, int x1, int y1, std::string_view label) {
  reach(x0, y0);
  reach(x1, y1);
  body_ += "<line class=\"line\" marker-end=\"url(#tip)\"" +
           attributes({{"x1", x0}, {"y1", y0}, {"x2", x1}, {"y2", y1}}) + "/>\n";
  if (label.empty()) return;
  if (y0 == y1)
    text((x0 + x1) / 2, y0 - 8, label, Align::middle, 13);
  else
    text((x0 + x1) / 2 + 10, (y0 + y1) / 2 + 4, label, Align::left, 13);
}

std::string Drawing::svg() const {
  const int x = left_ - kMargin, y = top_ - kMargin, w = right_ - left_ + 2 * kMargin,
            h = bottom_ - top_ + 2 * kMargin;
  const std::string size = attributes({{"width", w}, {"height", h}});
  return "<svg xmlns=\"http://www.w3.org/2000/svg\"" + size + " viewBox=\"" + std::to_string(x) + " " +
         std::to_string(y) + " " + std::to_string(w) + " " + std::to_string(h) +
         "\" role=\"img\" aria-labelledby=\"t d\">\n<title id=\"t\">" + escaped(title_) +
         "</title>\n<desc id=\"d\">" + escaped(description_) + "</desc>\n" + kStyle +
         "<rect fill=\"#fbfaf7\" stroke=\"#d5d2ca\" rx=\"10\"" +
         attributes({{"x", x}, {"y", y}, {"width", w}, {"height", h}}) + "/>\n" + body_ + "</svg>\n";
}

}  // namespace unfold::guide
