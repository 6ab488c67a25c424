// Batch: several images side by side in one matrix, and the two ways between it and the images: the right one and the
// plain reshape.
import { kBatchTensors, batchDifferences, batchOf, misplacedCells, realBatch, smallBatch } from "./batch.js";
import { choice, count, h, put, says, show, slider, toggle } from "./dom.js";
import { matrix } from "./grid.js";
import { player } from "./player.js";
import { poolWindow, poolingChoices } from "./pooling.js";
import { placeOf, subjectChoices } from "./subject.js";

const batchChosen = { tensor: "output", keys: { conv: "small", pool: "small" }, settings: { images: 2, channels: 2, kernel: 2 } };

// By tensor: the matrix, the images, and the two ways in the words of NumPy.
const kBatchWays = {
  output: { matrix: (b) => `product = W \u00b7 columns + b: (OC, N\u00b7OH\u00b7OW) = (${b.rows}, ${b.images}\u00b7${b.cells})`, images: "y: (N, OC, OH, OW)",
    right: "y = np.array(np.hsplit(product, N)).reshape(N, OC, OH, OW)", plain: "y = product.reshape(N, OC, OH, OW)" },
  dy: { matrix: (b) => `(OC, N\u00b7OH\u00b7OW) = (${b.rows}, ${b.images}\u00b7${b.cells})`, images: "dY: (N, OC, OH, OW)",
    right: "d = np.concatenate(dY.reshape(N, OC, OH*OW), axis=-1)", plain: "d = dY.reshape(OC, N*OH*OW)" },
  col2im: { matrix: (b) => `dColumns = W\u1d40 \u00b7 dY: (C\u00b7KH\u00b7KW, N\u00b7OH\u00b7OW) = (${b.rows}, ${b.images}\u00b7${b.cells})`, images: "dX: (N, C, H, W)",
    right: "dX = col2im of each image in np.hsplit(dColumns, N)", plain: "dX = col2im of each image in dColumns.reshape(N, C*KH*KW, OH*OW)" },
  pool: { matrix: (b) => `pooled columns: (C, N\u00b7OH\u00b7OW) = (${b.rows}, ${b.images}\u00b7${b.cells})`, images: "y: (N, C, OH, OW)",
    right: "y = np.array(np.hsplit(pooled, N)).reshape(N, C, OH, OW)", plain: "y = pooled.reshape(N, C, OH, OW)" },
  unpool: { matrix: (b) => `(C, N\u00b7OH\u00b7OW) = (${b.rows}, ${b.images}\u00b7${b.cells})`, images: "dY: (N, C, OH, OW)",
    right: "d = np.concatenate(dY.reshape(N, C, OH*OW), axis=-1)", plain: "d = dY.reshape(C, N*OH*OW)" },
};

export const batchScene = {
  id: "batch",
  title: "Batch",
  build(root, trace) {
    const body = h("div"), layers = h("span", { class: "bar" }), note = h("span", { class: "soft", role: "status" });
    function tell() {
      const { tensor, keys, settings } = batchChosen, pool = kBatchTensors[tensor].pool, key = keys[pool ? "pool" : "conv"];
      const b = batchOf(tensor, key === "small" ? smallBatch(pool, settings) : realBatch(trace, pool, Number(key)));
      note.textContent = b ? "" : "This layer is too large to be drawn whole.";
      put(body, ...(b ? batchBody(b, trace) : []));
    }
    function bar() {
      const pool = kBatchTensors[batchChosen.tensor].pool, kind = pool ? "pool" : "conv", several = trace.images.length > 1;
      const list = (pool ? poolingChoices : subjectChoices)(trace).filter(([key]) => several || key === "small");
      const one = (name, low, high) => slider(name, low, high, batchChosen.settings[name], (v) => { batchChosen.settings[name] = v; tell(); });
      put(layers, choice("show ", list, batchChosen.keys[kind], (key) => { batchChosen.keys[kind] = key; bar(); tell(); }),
        batchChosen.keys[kind] === "small" ? [one("images", 1, 3), one("channels", 1, 3), one("kernel", 1, 3)] : null,
        several ? null : h("span", { class: "soft" }, "This page was made of one picture. Give `unfold explain` two to four, and the layers of the network can be chosen here."));
    }
    root.append(h("h2", {}, "Batch: several images in one matrix"),
      h("p", {}, "The columns of image 0 stand first, then those of image 1: one product serves all. But then each row of the matrix holds all images in turn, while the images keep all rows of one image together. A plain reshape moves no number; it only counts anew, and hands one image's numbers to another. Split by image first."),
      h("div", { class: "bar" }, choice("Tensor ", Object.entries(kBatchTensors).map(([key, { text }]) => [key, text]), batchChosen.tensor, (key) => { batchChosen.tensor = key; bar(); tell(); }), layers, note), body);
    bar();
    tell();
  },
};

function batchBody(b, trace) {
  const { s, images, cells, rows } = b, words = says(), ways = kBatchWays[b.tensor], wrong = misplacedCells(b), fold = b.dx != null;
  const dW = b.tensor === "col2im", [h_, w_] = dW ? [s.H, s.W] : [s.OH, s.OW], unit = dW ? "row" : "channel";
  const named = (n) => (s.real ? `image ${n} (${trace.images[n].name})` : `image ${n}`), at = (p) => `(${Math.floor(p / s.OW)}, ${p % s.OW})`;
  let marked = true, source, right, plain, dxRight, dxPlain;

  /// A tensor (N, C, height, width): a row of pictures for each image. value and onPoint get (n, ch, y, x).
  function pictures(C, height, width, title, value, onPoint) {
    const cell = s.real ? Math.max(2, Math.min(14, Math.floor(1150 / (C * width)), Math.floor(420 / (images * height)))) : 34;
    const split = (f) => (r, c) => (r == null ? null : f(Math.floor(r / height), Math.floor(c / width), r % height, c % width));
    const grid = matrix({ rows: images * height, cols: C * width, cell, bands: [height, width], title, value: split(value), onPoint: split(onPoint) });
    const frame = cell < 14 ? ({ whole, y, x }) => !whole || y === 0 || x === 0 || y === height - 1 || x === width - 1 : () => true; // small cells are filled by a mark
    return { ...grid, mark: (list) => grid.mark(list.filter(frame).map(({ n, ch, y, x, kind }) => ({ r: n * height + y, c: ch * width + x, kind }))) };
  }
  /// The matrix (rows, N * cells). value and onPoint get (n, row, p); marks are such, too.
  function block(title, value, onPoint) {
    const cell = s.real ? Math.max(2, Math.min(12, Math.floor(480 / rows), Math.floor(7000 / (images * cells)))) : 34;
    const split = (f) => (r, c) => (r == null ? null : f(Math.floor(c / cells), r, c % cells));
    const grid = matrix({ rows, cols: images * cells, cell, bands: [dW ? s.KH * s.KW : 0, cells], title, value: split(value), onPoint: split(onPoint) });
    return { ...grid, mark: (list) => grid.mark(list.map(({ n, row, p, kind }) => ({ r: row, c: n * cells + p, kind }))), reveal: ({ n, row, p }) => grid.reveal(row, n * cells + p) };
  }
  /// One of the two forms of (n, row, p): the matrix, or pictures of the output's size.
  function form(inMatrix, title, value, onPoint) {
    if (inMatrix) return block(title, value, onPoint);
    const grid = pictures(rows, s.OH, s.OW, title, (n, row, y, x) => value(n, row, y * s.OW + x), (n, row, y, x) => onPoint(n, row, y * s.OW + x));
    return { ...grid, mark: (list) => grid.mark(list.map(({ n, row, p, kind, whole }) => ({ n, ch: row, y: Math.floor(p / s.OW), x: p % s.OW, kind, whole }))), reveal: () => {} };
  }
  const everyPlace = (plane, p, kind) => (p != null ? [{ ...plane, p, kind }] : Array.from({ length: cells }, (_, i) => ({ ...plane, p: i, kind, whole: true })));
  /// The pixels of dX that a number of plane {n, row} at p goes to.
  function pixels({ n, row }, p, whole) {
    const list = b.pool ? poolWindow(s, row, p).filter((t) => t.inside && (!s.max || t.k === b.each[n].winner[row * cells + p])).map(({ y, x }) => ({ ch: row, y, x })) : [placeOf(s, row, p)].filter((t) => t.inside);
    return list.map(({ ch, y, x }) => ({ n, ch, y, x, kind: 2, whole }));
  }
  const planes = Array.from({ length: images * rows }, (_, i) => ({ n: i % images, row: Math.floor(i / images) }));
  // What is wrong is framed: cell by cell in a small example, in a real layer the whole plane or its two ends.
  const wrongPlaces = () => planes.filter(b.misplaced).flatMap((plane) => everyPlace(plane, null, 1).filter(({ p }) => !s.real || !b.inward || p === 0 || p === cells - 1));
  const differs = (n, i) => Math.abs(b.dx.plain[n][i] - b.dx.right[n][i]) > 1e-12;
  const wrongPixels = () => b.each.flatMap((_, n) => {
    const list = Array.from(s.x, (_, i) => ({ n, ch: Math.floor(i / (s.H * s.W)), y: Math.floor(i / s.W) % s.H, x: i % s.W, kind: 1, whole: s.real })), all = list.filter((_, i) => differs(n, i));
    return s.real ? list.filter(({ ch }) => all.some((cell) => cell.ch === ch)) : all;
  });
  let kept = [], dxKept = [];
  function mark(sources, rights, plains, dxRights = [], dxPlains = []) {
    source.mark(sources);
    right?.mark(rights);
    plain?.mark([...kept, ...plains]);
    dxRight?.mark(dxRights);
    dxPlain?.mark([...dxKept, ...dxPlains]);
  }
  /// A number, or with p == null a whole plane, and where each way puts it.
  function number(n, row, p = null) {
    const plane = { n, row }, to = b.goes(plane), moved = to.n !== n || to.row !== row, all = p == null ? Array.from({ length: cells }, (_, i) => i) : [p];
    mark(everyPlace(plane, p, 1), everyPlace(plane, p, 2), everyPlace(to, p, 2), fold ? all.flatMap((i) => pixels(plane, i, p == null)) : [], fold ? all.flatMap((i) => pixels(to, i, p == null)) : []);
    source.reveal({ n, row, p: p ?? 0 });
    const what = p == null ? `Row ${row} of ${named(n)}` : `${show(b.values[n][row * cells + p])} is of ${named(n)}, ${unit} ${row}, output ${at(p)}`;
    const where = b.inward ? (q) => `row ${q.row}, columns of image ${q.n}` : (q) => `${named(q.n)}, ${unit} ${q.row}`;
    put(words, `${what}${b.inward ? "" : p == null ? `, columns ${n * cells} to ${(n + 1) * cells - 1}` : `; it stands in row ${row}, column ${n * cells + p}`}. The right way puts it at ${where(plane)}. The plain reshape puts it `,
      moved ? h("b", {}, `at ${where(to)}: wrong`) : "there, too", ".");
  }
  const found = (n, row, p) => { const from = b.comes({ n, row }); number(from.n, from.row, p); };
  /// A pixel of dX and what each way adds up there.
  function pixel(n, ch, y, x) {
    if (n == null) return;
    const [good, bad] = [b.pixel(false, n, ch, y, x), b.pixel(true, n, ch, y, x)], kind = (k) => ({ from }) => from.map((one) => ({ ...one, kind: k }));
    const sum = ({ from, sum: total }) => (from.length < 2 ? show(total) : from.length <= 9 ? `${from.map(({ value }) => show(value)).join(" + ")} = ${show(total)}` : `${show(total)}, the sum of ${from.length} numbers`);
    const target = [{ n, ch, y, x, kind: 2 }], i = (ch * s.H + y) * s.W + x;
    const local = b.pool ? good.from.map(({ p }) => ({ n, row: ch, p, kind: 2 })) : [];
    mark([...kind(1)(bad), ...kind(2)(good)], local, local, target, target);
    if (good.from.length) source.reveal(good.from[0]);
    const origins = ({ from }) => [...new Set(from.map((one) => `${unit} ${one.row} of image ${one.n}`))], few = good.from.length > 0 && good.from.length <= 9;
    const way = (name, one) => `${name} gives ${sum(one)}${few ? `, from ${origins(one).join(", ")}` : ""}`;
    put(words, `dX of ${named(n)}, channel ${ch}, pixel (${y}, ${x}). ${way("The right way", good)}. ${way("The plain reshape", bad)}: `, differs(n, i) ? h("b", {}, "wrong") : "the same", ".");
  }

  const straight = (n, row, p) => { if (n != null) number(n, row, p); }, bent = (n, row, p) => { if (n != null) found(n, row, p); };
  const own = (n, row, p) => b.values[n][row * cells + p], other = (n, row, p) => b.value(true, { n, row }, p);
  source = form(!b.inward, b.inward ? ways.images : ways.matrix(b), own, straight);
  if (!dW) {
    right = form(b.inward, `right, ${b.inward ? ways.matrix(b) : ways.images}`, own, straight);
    plain = form(b.inward, `plain reshape, ${b.inward ? ways.matrix(b) : ways.images}`, other, bent);
  }
  if (fold) {
    const at_ = (list) => (n, ch, y, x) => list[n][(ch * s.H + y) * s.W + x];
    dxRight = pictures(s.C, s.H, s.W, `right, ${dW ? ways.images : "dX: (N, C, H, W)"}`, at_(b.dx.right), pixel);
    dxPlain = pictures(s.C, s.H, s.W, "after the plain reshape, dX", at_(b.dx.plain), pixel);
  }
  function framed() {
    kept = marked && !dW ? wrongPlaces() : [];
    dxKept = marked && fold ? wrongPixels() : [];
    mark([], [], []);
  }
  framed();
  const total = images * rows * cells, step = s.real ? cells : 1; // of a real layer whole planes, in the order of the source's memory
  const ofStep = (i) => {
    const plane = Math.floor((i * step) / cells);
    return b.inward ? { n: Math.floor(plane / rows), row: plane % rows } : { n: plane % images, row: Math.floor(plane / images) };
  };
  let ready = false;
  const steps = player(total / step, (i) => { const { n, row } = ofStep(i); if (ready) number(n, row, s.real ? null : i % cells); },
    (i) => (s.real ? `plane ${i + 1} of ${total / step}` : `number ${i + 1} of ${total}`), s.real ? 900 : 500);
  steps.go(0);
  ready = true;
  put(words, "Play, or point at a number: it is marked wherever each way puts it.");
  const same = images === 1 ? "With one image both ways are the same: a test with a single image cannot notice the mistake."
    : rows === 1 ? "With one row both ways are the same: a test with a single channel cannot notice the mistake." : null;
  return [
    h("p", {}, same ? h("b", {}, same) : `The plain reshape puts ${count(wrong)} of ${count(total)} numbers where another belongs. `), outcome(b),
    h("div", { class: "bar" }, steps.element, same ? null : toggle("mark what is wrong", marked, (on) => { marked = on; framed(); })), words,
    source.element, h("code", { class: "formula", tabindex: 0 }, `right: ${ways.right}\nplain: ${ways.plain}`),
    dW ? null : h("div", { class: b.inward ? "" : "row" }, right.element, plain.element),
    fold && b.pool ? h("p", {}, s.max ? "Each number then goes to the row of its window's winner; col2im folds the rows back:" : `Each row is divided by ${s.includePad ? s.taps : "the pixels counted"}, repeated ${s.taps} times and folded back by col2im:`) : null,
    fold ? h("div", { class: "row" }, dxRight.element, dxPlain.element) : null,
    b.tensor === "unpool" ? h("p", { class: "soft" }, "The article's code does take the plain reshape here, and turns the planes round again after col2im. Average pooling treats every plane alike, so the two wrongs cancel and its dX is right; with max pooling, whose windows differ, they would not.") : null,
  ];
}

/// Both ways against what the layer has.
function outcome(b) {
  const d = batchDifferences(b), owner = b.s.real ? "the engine's" : "the sums over each image by itself";
  if (!d) return null;
  return h("p", { id: "batch-check" }, `What comes of it, ${d.what}, against ${owner}: the right way, `,
    h("span", { class: d.right ? "differs" : "agrees" }, d.right ? `${count(d.right)} of ${count(d.total)} DISAGREE` : `all ${count(d.total)} agree`),
    `; after the plain reshape ${d.plain ? `${count(d.plain)} of ${count(d.total)} are wrong` : "all agree as well"}.`);
}
