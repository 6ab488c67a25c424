// Unfold: a window slides over the image, its patch becomes a column, and where each pixel went.
import { choice, count, h, put, says, show } from "./dom.js";
import { matrix } from "./grid.js";
import { player } from "./player.js";
import { columnValue, copiesOf, placeOf } from "./subject.js";
import { subjectBar } from "./subject_bar.js";
import { columnsGrid, filterGrid, imageGrid, outputGrid } from "./subject_grids.js";

const kShownChannels = 6;

export const unfoldScene = {
  id: "unfold",
  title: "Unfold",
  build(root, trace) {
    const body = h("div");
    const bar = subjectBar(trace, (s) => put(body, ...unfoldBody(s)), true);
    root.append(h("h2", {}, "Unfold: every patch becomes a column"),
      h("p", {}, "The window stops at every place of the output. What it covers there is written as one column: im2col. Point at a pixel to see all its copies, the places of the output they serve and the weights they meet; point at the matrix to see where a number was cut out."),
      bar.element, body);
    bar.start();
  },
};

function unfoldBody(s) {
  const words = says(), channels = Math.min(s.C, kShownChannels);
  let oc = 0, filled = s.cols, ignore = false;
  const clear = () => { for (const grid of [...images, ...filters, columns, output]) grid.mark([]); };
  const filterChannel = (ch) => ch - Math.floor(oc / (s.OC / s.groups)) * (s.C / s.groups);

  function window_(c) { // the patch of one column, everywhere
    clear();
    for (let ch = 0; ch < channels; ++ch) {
      images[ch].mark(Array.from({ length: s.KH * s.KW }, (_, k) => placeOf(s, ch * s.KH * s.KW + k, c)).map((p) => ({ r: p.y, c: p.x })));
    }
    columns.mark(Array.from({ length: s.rows }, (_, r) => ({ r, c })));
    columns.reveal(0, c);
    output.mark([{ r: Math.floor(c / s.OW), c: c % s.OW }]);
    const p = placeOf(s, 0, c);
    put(words, `Column ${c}: the window at row ${p.y}, column ${p.x} of the image. Its ${s.rows} numbers become one column; times a filter they make output (${p.oh}, ${p.ow}).`);
  }
  function pixel(ch, y, x) {
    if (y == null || y < 0 || x < 0 || y >= s.H || x >= s.W) return;
    clear();
    images[ch]?.mark([{ r: y, c: x }]);
    const copies = copiesOf(s, ch, y, x);
    columns.mark(copies);
    output.mark(copies.map(({ c }) => ({ r: Math.floor(c / s.OW), c: c % s.OW, kind: 2 })));
    const f = filterChannel(ch);
    filters[f]?.mark(copies.map(({ r }) => ({ r: Math.floor(r / s.KW) % s.KH, c: r % s.KW, kind: 2 })));
    put(words, `Pixel (${y}, ${x})${s.C > 1 ? ` of channel ${ch}` : ""} is ${show(s.x[(ch * s.H + y) * s.W + x])}. It has ${copies.length} ${copies.length === 1 ? "copy" : "copies"} in the patch matrix: one for each window that covers it, each in the row of the weight it meets.`);
  }
  function entry(r, c) {
    if (r == null) return;
    clear();
    const p = placeOf(s, r, c), same = p.inside ? copiesOf(s, p.ch, p.y, p.x) : [];
    columns.mark([...same.map((at) => ({ ...at, kind: 2 })), { r, c }]);
    images[p.ch]?.mark([{ r: p.y, c: p.x }]);
    output.mark([{ r: p.oh, c: p.ow }]);
    filters[filterChannel(p.ch)]?.mark([{ r: p.kh, c: p.kw }]);
    put(words, `Row ${r}, column ${c} is ${show(columnValue(s, r, c))}: ${p.inside ? `pixel (${p.y}, ${p.x}) of channel ${p.ch}` : "padding, 0"}, under weight (${p.kh}, ${p.kw}), for output (${p.oh}, ${p.ow}).`);
  }
  const images = Array.from({ length: channels }, (_, ch) => imageGrid(s, ch, { onPoint: (y, x) => pixel(ch, y, x) }));
  const columns = columnsGrid(s, { title: `patch matrix: ${s.C}\u00b7${s.KH}\u00b7${s.KW} = ${s.rows} rows, ${s.OH}\u00b7${s.OW} = ${count(s.cols)} columns`,
    value: (r, c) => (c < filled ? columnValue(s, r, c) : null), onPoint: entry });
  let output, filters;
  const forChannel = h("div", { class: "row" });
  function outputs() {
    output = outputGrid(s, oc, s.y, { title: `output, channel ${oc}`, onPoint: (r, c) => { if (r != null) window_(r * s.OW + c); } });
    filters = Array.from({ length: Math.min(s.C / s.groups, kShownChannels) }, (_, ch) => filterGrid(s, oc, ch, s.w, {
      cell: s.real && s.C > 1 ? 18 : 34, title: s.C > 1 ? `filter ${oc}, channel ${ch}` : `filter ${oc}` }));
    put(forChannel, output.element, ...filters.map((f) => f.element));
  }
  outputs();
  const steps = player(s.cols, (c) => {
    if (ignore) return;
    filled = c + 1;
    if (!s.real || c + 1 === s.cols) columns.redraw();
    window_(c);
  }, (c) => `column ${c + 1} of ${count(s.cols)}`, s.real ? 60 : 450);
  ignore = true;
  steps.go(0);
  ignore = false;
  let strongest = 0; // the matrix of a large layer is wider than the page: begin where there is something to see
  for (let c = 0; c < s.cols; ++c) if (Math.abs(s.y[c]) > Math.abs(s.y[strongest])) strongest = c;
  requestAnimationFrame(() => columns.reveal(0, strongest));
  filled = s.cols;
  put(words, "Play, or point at a cell.");
  return [
    h("div", { class: "bar" }, steps.element, s.OC > 1 ? choice("output channel ", Array.from({ length: s.OC }, (_, k) => [k, k]), 0, (k) => { oc = Number(k); outputs(); }) : null),
    words,
    h("div", { class: "row" }, h("div", { class: "row" }, ...images.map((g) => g.element)), forChannel, s.real ? null : columns.element),
    s.C > kShownChannels ? h("p", { class: "soft" }, `The first ${kShownChannels} of ${s.C} channels are drawn; the matrix has all.`) : null,
    s.real ? columns.element : null,
    ...indexSteps(s),
  ];
}

/// The index matrices i, j, d, built step by step, and the gather.
function indexSteps(s) {
  const level1 = (n, kernel, dilation) => Array.from({ length: n }, (_, k) => kernel(k) * dilation);
  const i1 = level1(s.KH * s.KW, (k) => Math.floor(k / s.KW), s.DH), rows = (f) => Array.from({ length: s.rows }, (_, r) => f(r));
  const iLevel = rows((r) => i1[r % (s.KH * s.KW)]), iEvery = Array.from({ length: s.cols }, (_, c) => s.SH * Math.floor(c / s.OW));
  const jLevel = rows((r) => (r % s.KW) * s.DW), jEvery = Array.from({ length: s.cols }, (_, c) => s.SW * (c % s.OW));
  const d = rows((r) => Math.floor(r / (s.KH * s.KW)));
  const column = (list, title) => () => [matrix({ rows: list.length, cols: 1, cell: cells(list.length), title, value: (r) => list[r] })];
  const line = (list, title) => () => [matrix({ rows: 1, cols: list.length, cell: cells(list.length), title, value: (r, c) => list[c] })];
  const sum = (level, every, title) => () => [columnsGrid(s, { title, value: (r, c) => level[r] + every[c] })];
  const cells = (n) => Math.max(n > 2000 ? 2 : 6, Math.min(34, Math.floor(900 / n)));
  const times = (stride, text) => (stride === 1 ? text : `${stride} \u00b7 ${text}`);
  const list = [
    ["The rows of one window", `level1 = repeat(0..${s.KH - 1}, ${s.KW})${s.DH > 1 ? ` * ${s.DH}` : ""}`, column(i1, "level 1: KH\u00b7KW")],
    ["The same for every channel", `i_level = tile(level1, ${s.C})`, column(iLevel, "i_level: C\u00b7KH\u00b7KW")],
    ["Where each window begins", `i_every = ${times(s.SH, `repeat(0..${s.OH - 1}, ${s.OW})`)}`, line(iEvery, "i_every: OH\u00b7OW")],
    ["Their sum, column by row: i", "i[r][c] = i_level[r] + i_every[c]", sum(iLevel, iEvery, "i: rows of the padded image")],
    ["The columns of one window", `j_level = tile(0..${s.KW - 1}, ${s.KH * s.C})${s.DW > 1 ? ` * ${s.DW}` : ""}`, column(jLevel, "j_level")],
    ["How far each window slid", `j_every = ${times(s.SW, `tile(0..${s.OW - 1}, ${s.OH})`)}`, line(jEvery, "j_every")],
    ["Their sum: j", "j[r][c] = j_level[r] + j_every[c]", sum(jLevel, jEvery, "j: columns of the padded image")],
    ["The channel of each row: d", `d = repeat(0..${s.C - 1}, ${s.KH * s.KW})`, column(d, "d")],
    ["The gather", "columns[r][c] = padded[d[r]][i[r][c]][j[r][c]]", () => [columnsGrid(s, { title: "patch matrix", value: (r, c) => columnValue(s, r, c) })]],
  ];
  const shown = h("div", { class: "row" }), title = h("h4", {}), formula = h("code", { class: "formula", tabindex: 0 });
  const steps = player(list.length, (k) => {
    title.textContent = `${k + 1}. ${list[k][0]}`;
    formula.textContent = list[k][1];
    put(shown, ...list[k][2]().map((g) => g.element));
  }, (k) => `${k + 1} of ${list.length}`, 1800);
  steps.go(0);
  return [h("h3", {}, "The index matrices, step by step"),
    h("p", {}, "No loop cuts the patches out. Three index matrices say for every entry of the patch matrix which channel, row and column of the padded image it comes from; one gather does the rest."),
    steps.element, title, formula, shown];
}
