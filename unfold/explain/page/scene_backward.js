// Backward: from dY to dW, db and dX, each as a matrix product and as what it is besides.
import { agrees, choice, count, h, put, says, show, verdict } from "./dom.js";
import { matrix } from "./grid.js";
import { player } from "./player.js";
import { biasGradient, columnGradient, columnValue, copiesOf, firstRow, inputGradient, inputGradientByBroadcast, placeOf, weightGradient } from "./subject.js";
import { errorFace, pixelFace, weightFace } from "./faces.js";
import { subjectBar } from "./subject_bar.js";
import { columnsGrid, filterGrid, imageGrid, outputGrid } from "./subject_grids.js";

const kMostChecked = 3e7, kShownTerms = 400, kFaceHint = "Choose an error of dY, a pixel of dX or a cell of dW to see its other face: the same number without the patch matrix.";

export const backwardScene = {
  id: "backward",
  title: "Backward",
  build(root, trace) {
    const body = h("div"), loss = h("div");
    const bar = subjectBar(trace, (s) => { put(loss, ...(s.real ? lossPart(trace, s.image) : [])); put(body, ...backwardBody(s)); });
    root.append(h("h2", {}, "Backward: the same matrices, the other way"),
      h("p", {}, "dY says how the loss changes with each output. Three lines give everything else. Play, and col2im folds the columns of dColumns into dX; or choose a cell of dW, db or dX and follow its sum, with its other face beside it."),
      h("code", { class: "formula", tabindex: 0 }, "dW = dY \u00b7 columns\u1d40     db = row sums of dY     dColumns = W\u1d40 \u00b7 dY     dX = col2im(dColumns)"),
      bar.element, loss, body);
    bar.start();
  },
};

/// Where dY begins: softmax and cross-entropy give p - y, divided by the number of images.
function lossPart(trace, image) {
  const output = trace.values[trace.layers.at(-1).output], logits = output.data[image], most = Math.max(...logits);
  const powers = Array.from(logits, (z) => Math.exp(z - most)), sum = powers.reduce((a, b) => a + b, 0), n = trace.images.length;
  const rows = powers.map((power, c) => {
    const p = power / sum, y = c === trace.images[image].class ? 1 : 0, ours = (p - y) / n, theirs = output.gradient[image][c];
    return h("tr", y ? { class: "now" } : {}, h("th", { scope: "row" }, h("bdi", {}, trace.classes[c])), h("td", {}, show(logits[c])), h("td", {}, show(p)), h("td", {}, String(y)), h("td", {}, show(ours)),
      h("td", {}, verdict(ours, theirs, 1 / n)));
  });
  return [h("details", {}, h("summary", {}, `It begins at the logits: (p \u2212 y) / ${n}`), h("div", { class: "terms", tabindex: 0, role: "region", "aria-label": "The gradient of the logits" }, h("table", {},
    h("thead", {}, h("tr", {}, ...["class", "logit", "p", "y", `(p \u2212 y) / ${n}`, "the engine's"].map((text) => h("th", {}, text)))), h("tbody", {}, ...rows))))];
}

/// Every cell of dX, dW and db summed again: by tensor the cells that differ from the engine's; null where that is too
/// much work for a page.
export function backwardDisagreements(s) {
  const products = s.OC * s.depth * s.cols;
  if (products * s.every.length > kMostChecked) return null;
  const wrong = { dx: [], dw: [], db: [] };
  const test = (list, cell, theirs, at) => { if (!agrees(cell.sum, theirs, cell.size)) list.push(at); };
  for (let i = 0; i < s.x.length; ++i) {
    const ch = Math.floor(i / (s.H * s.W)), y = Math.floor(i / s.W) % s.H, x = i % s.W;
    test(wrong.dx, inputGradient(s, ch, y, x), s.dx[i], { ch, r: y, c: x });
  }
  for (let oc = 0; oc < s.OC; ++oc) {
    for (let k = 0; k < s.depth; ++k) test(wrong.dw, weightGradient(s, oc, k), s.dw[oc * s.depth + k], { oc, k });
    if (s.db) test(wrong.db, biasGradient(s, oc), s.db[oc], { oc });
  }
  return wrong;
}

function backwardBody(s) {
  const words = says(), wrong = s.real ? backwardDisagreements(s) : { dx: [], dw: [], db: [] };
  const terms = h("div", { class: "terms", tabindex: 0, role: "region", "aria-label": "The sum, term by term" }), face = h("div", { class: "card face" });
  let oc = wrong?.dw[0]?.oc ?? wrong?.db[0]?.oc ?? 0, ch = wrong?.dx[0]?.ch ?? 0;
  const crosses = (list, f) => (list ?? []).filter(f).map((at) => ({ ...at, kind: 3 }));
  const shown = h("div");
  const allOfDy = [{ r: 0, c: 0, h: s.OH, w: s.OW, kind: 2 }];
  let dy, dw, db, dx, image, columns, gradients, filter, folded = s.cols - 1;
  const shownDx = Float32Array.from(s.dx); // fills while columns are folded
  const channels = new Map(); // dX by broadcast, of the channels asked for
  const broadcast = (c) => { if (!channels.has(c)) channels.set(c, inputGradientByBroadcast(s, c)); return channels.get(c); };

  const clear = () => { for (const grid of [dy, image, columns, gradients, ...filter]) grid.mark([]); dwMarks(); dxMarks(); };
  const dwMarks = (list = []) => dw.mark([...crosses(wrong?.dw.map(({ oc: r, k }) => ({ r, c: k })), () => true), ...list]);
  const dxMarks = (list = []) => dx.mark([...crosses(wrong?.dx, (at) => at.ch === ch), ...list]);
  /// The terms as a table; what(k) names term k.
  function list(head, sum, what) {
    const total = sum.terms.length, rows = sum.terms.slice(0, kShownTerms).map(([a, b], k) => h("tr", {}, h("th", { scope: "row" }, what(k)), h("td", {}, `${show(a)} \u00b7 ${show(b)} = ${show(a * b)}`)));
    put(terms, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, head), h("th", {}, "term"))), h("tbody", {}, ...rows)),
      total > kShownTerms ? h("p", { class: "soft" }, `The first ${kShownTerms} of ${count(total)} terms.`) : null);
  }
  const engine = (cell, theirs) => (s.real ? [" ", verdict(cell.sum, theirs, cell.size)] : []);
  const imageOf = (i) => (s.every.length > 1 ? `image ${Math.floor(i / s.cols)} ` : "");

  function weight(channel, k) {
    oc = channel;
    draw();
    const cell = weightGradient(s, oc, k), first = firstRow(s, oc), p = placeOf(s, first + k, 0);
    dwMarks([{ r: oc, c: k }]);
    columns.mark(Array.from({ length: s.cols }, (_, c) => ({ r: first + k, c })));
    dy.mark(allOfDy);
    const under = { r: p.y, c: p.x, h: s.OH, w: s.OW, kind: 2 }; // where dY lies on the image: in one piece, or by the stride
    if (p.ch === ch) image.mark(s.SH * s.SW === 1 ? [under] : Array.from({ length: s.cols }, (_, c) => placeOf(s, first + k, c)).map((at) => ({ r: at.y, c: at.x, kind: 2 })));
    list("output", cell, (i) => `${imageOf(i)}(${Math.floor((i % s.cols) / s.OW)}, ${i % s.OW})`);
    put(words, `dW of filter ${oc}, channel ${p.ch}, weight (${p.kh}, ${p.kw}): ${count(cell.terms.length)} places, each dY times the pixel under this weight, add up to ${show(cell.sum)}.`, ...engine(cell, s.dw[oc * s.depth + k]));
    put(face, ...weightFace(s, oc, p, cell));
  }
  function bias(channel) {
    oc = channel;
    draw();
    const cell = biasGradient(s, oc);
    db.mark([{ r: oc, c: 0 }]);
    dy.mark(allOfDy);
    list("output", cell, (i) => `${imageOf(i)}(${Math.floor((i % s.cols) / s.OW)}, ${i % s.OW})`);
    put(words, `db of filter ${oc}: the bias was added at every place, so its gradient is the sum of all of dY: ${show(cell.sum)}.`, ...(s.db ? engine(cell, s.db[oc]) : []));
    put(face, h("p", {}, "Its other face: one number, broadcast to every place on the way forward; so its gradient is gathered from every place on the way back."));
  }
  function pixel(y, x) {
    if (y == null || y < 0 || x < 0 || y >= s.H || x >= s.W) return;
    clear();
    fold(s.cols - 1);
    const cell = inputGradient(s, ch, y, x), copies = copiesOf(s, ch, y, x);
    dxMarks([{ r: y, c: x }]);
    image.mark([{ r: y, c: x }]);
    gradients.mark(copies);
    gradients.reveal(copies[0]?.r ?? 0, copies[0]?.c ?? 0);
    columns.mark(copies.map((at) => ({ ...at, kind: 2 })));
    dy.mark(copies.map(({ c }) => ({ r: Math.floor(c / s.OW), c: c % s.OW, kind: 2 })));
    const own = ch - Math.floor(oc / (s.OC / s.groups)) * (s.C / s.groups);
    filter[0].mark(own === shownFilter() ? copies.map(({ r }) => ({ r: Math.floor(r / s.KW) % s.KH, c: r % s.KW, kind: 2 })) : []);
    list("dColumns (row, column)", { terms: cell.copies.map(({ value }) => [1, value]) }, (k) => `(${cell.copies[k].r}, ${cell.copies[k].c})`);
    put(words, copies.length ? `dX at (${y}, ${x}): ${copies.length} overlapping ${copies.length === 1 ? "window hands" : "windows hand"} back ${cell.copies.map(({ value }) => show(value)).join(" + ")} = ${show(cell.sum)}.`
      : `dX at (${y}, ${x}) is 0: no window covers this pixel.`, ...engine(cell, s.dx[(ch * s.H + y) * s.W + x]));
    put(face, ...pixelFace(s, ch, oc, y, x, cell, broadcast));
  }
  function entry(r, c) {
    if (r == null) return;
    clear();
    const cell = columnGradient(s, r, c), p = placeOf(s, r, c);
    gradients.mark([{ r, c }]);
    dy.mark([{ r: p.oh, c: p.ow }]);
    if (p.inside && p.ch === ch) { dxMarks([{ r: p.y, c: p.x }]); image.mark([{ r: p.y, c: p.x, kind: 2 }]); }
    list("filter", cell, (k) => String(Math.floor(r / s.depth) * (s.OC / s.groups) + k));
    put(words, `dColumns row ${r}, column ${c}: the weight in row ${r} of each filter times that filter's dY at (${p.oh}, ${p.ow}): ${show(cell.sum)}. ${p.inside ? `col2im adds it to pixel (${p.y}, ${p.x}) of channel ${p.ch}.` : "It falls on the padding and is dropped."}`);
    put(face, h("p", {}, kFaceHint));
  }
  function error(r, c) {
    clear();
    const at = r * s.OW + c, first = firstRow(s, oc), window = Array.from({ length: s.depth }, (_, k) => placeOf(s, first + k, at));
    dy.mark([{ r, c }]);
    dxMarks(window.filter((place) => place.inside && place.ch === ch).map((place) => ({ r: place.y, c: place.x, kind: 2 })));
    gradients.mark(window.map((_, k) => ({ r: first + k, c: at, kind: 2 })));
    gradients.reveal(first, at);
    put(terms);
    put(words, `dY at (${r}, ${c}) of filter ${oc} is ${show(s.dy[oc * s.cols + at])}: the error of one slide. It goes to all ${count(s.depth)} pixels of its window at once, each by the weight that lay over it; column ${at} of dColumns is the sum of that over the filters.`);
    put(face, ...errorFace(s, oc, shownFilter(), r, c));
  }
  /// dX as it is when the first columns of dColumns have been folded, up to column `last`.
  function fold(last) {
    folded = last;
    shownDx.set(s.dx);
    if (last < s.cols - 1) {
      shownDx.fill(0);
      for (let r = ch * s.KH * s.KW; r < (ch + 1) * s.KH * s.KW; ++r) {
        for (let c = 0; c <= last; ++c) {
          const p = placeOf(s, r, c);
          if (p.inside) shownDx[(ch * s.H + p.y) * s.W + p.x] += columnGradients[r * s.cols + c];
        }
      }
    }
    dx.redraw();
  }
  function step(c) {
    clear();
    fold(c);
    const rows = Array.from({ length: s.KH * s.KW }, (_, k) => ch * s.KH * s.KW + k), p = placeOf(s, rows[0], c);
    gradients.mark(rows.map((r) => ({ r, c })));
    gradients.reveal(rows[0], c);
    dy.mark([{ r: p.oh, c: p.ow, kind: 2 }]);
    dxMarks(rows.map((r) => placeOf(s, r, c)).filter((at) => at.inside).map((at) => ({ r: at.y, c: at.x, kind: 2 })));
    put(words, `Column ${c + 1} of ${count(s.cols)} folded: its ${rows.length} numbers${s.C > 1 ? " for this channel" : ""} are added to the pixels of the window at (${p.oh}, ${p.ow}). ${c + 1 === s.cols ? "That was the last: this is dX." : "What windows before have left there stays."}`);
  }
  const largest = () => s.dx.subarray(ch * s.H * s.W, (ch + 1) * s.H * s.W).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const shownFilter = () => Math.max(0, Math.min(s.C / s.groups - 1, ch - Math.floor(oc / (s.OC / s.groups)) * (s.C / s.groups)));
  function draw() {
    dy = outputGrid(s, oc, s.dy, { title: `dY, channel ${oc}: choose an error`, onPoint: () => {}, onPick: error });
    filter = [filterGrid(s, oc, shownFilter(), s.w, { title: `filter ${oc}${s.C > 1 ? `, channel ${ch}` : ""}` })];
    image = imageGrid(s, ch, {});
    dx = imageGrid(s, ch, { title: `dX${s.C > 1 ? `, channel ${ch}` : ""}: choose a pixel`, values: shownDx, scale: largest(), onPoint: () => {}, onPick: pixel });
    const wide = s.real ? Math.max(7, Math.min(16, Math.floor(1100 / s.depth))) : 34;
    dw = matrix({ rows: s.OC, cols: s.depth, cell: wide, bands: [0, s.KH * s.KW], title: "dW: choose a cell", value: (r, k) => s.dw[r * s.depth + k], onPoint: () => {}, onPick: weight });
    db = matrix({ rows: s.OC, cols: 1, cell: wide, title: "db", value: (r) => (s.db ? s.db[r] : null), onPoint: () => {}, onPick: bias });
    if (wrong?.db.length) db.mark(wrong.db.map((at) => ({ r: at.oc, c: 0, kind: 3 })));
    dwMarks();
    dxMarks();
    put(shown, h("div", { class: "row" }, dy.element, filter[0].element, image.element, dx.element), h("div", { class: "row" }, dw.element, db.element), columns.element, gradients.element);
  }
  columns = columnsGrid(s, { title: "columns", value: (r, c) => columnValue(s, r, c), onPoint: () => {} });
  const columnGradients = Float32Array.from({ length: s.rows * s.cols }, (_, i) => columnGradient(s, Math.floor(i / s.cols), i % s.cols).sum);
  gradients = columnsGrid(s, { title: "dColumns = W\u1d40 \u00b7 dY: point at an entry", value: (r, c) => columnGradients[r * s.cols + c], onPoint: entry });
  draw();
  let ready = false;
  const steps = player(s.cols, (c) => { if (ready) step(c); }, (c) => `column ${c + 1} of ${count(s.cols)} folded`, s.real ? 60 : 450);
  steps.go(s.cols - 1);
  ready = true;
  put(face, h("p", {}, kFaceHint));
  put(words, "Choose a cell of dY, dW, db or dX, or point at dColumns.");
  const total = wrong && wrong.dx.length + wrong.dw.length + wrong.db.length;
  const whole = wrong == null ? "This layer is too large to be recomputed whole in a page; each cell you choose is."
    : `All ${count(s.dx.length)} cells of dX, ${count(s.dw.length)} of dW and ${s.OC} of db recomputed in the page: ${total ? `${count(total)} DISAGREE with the engine` : "every one agrees with the engine"}.`;
  return [
    s.real ? h("p", { id: "backward-check" }, h("span", { class: total ? "differs" : "agrees" }, whole)) : null,
    h("div", { class: "bar" }, steps.element, s.OC > 1 ? choice("filter ", Array.from({ length: s.OC }, (_, k) => [k, k]), oc, (k) => { oc = Number(k); draw(); }) : null,
      s.C > 1 ? choice("image channel ", Array.from({ length: s.C }, (_, k) => [k, k]), ch, (k) => { ch = Number(k); draw(); fold(folded); }) : null),
    words, h("div", { class: "row" }, terms, face), shown, ...overlapPart(s, columnGradients),
  ];
}

/// col2im(ones), and the identity that makes col2im the adjoint of im2col.
function overlapPart(s, columnGradients) {
  const overlap = (y, x) => copiesOf(s, 0, y, x).length;
  const grid = matrix({ rows: s.H, cols: s.W, cell: s.real ? Math.max(4, Math.min(22, Math.floor(300 / s.W))) : 34, title: "col2im(ones): windows over each pixel", value: overlap });
  let left = 0, right = 0, size = 0;
  for (let r = 0; r < s.rows; ++r) {
    for (let c = 0; c < s.cols; ++c) {
      const term = columnValue(s, r, c) * columnGradients[r * s.cols + c];
      left += term;
      size += Math.abs(term);
    }
  }
  for (let i = 0; i < s.x.length; ++i) right += s.x[i] * s.dx[i];
  return [h("h3", {}, "Overlaps add up, and why that is right"),
    h("p", {}, "A pixel under several windows gets a gradient from each. So col2im is not the inverse of im2col: col2im(im2col(x)) is x times these counts. It is its adjoint: for any x and any matrix of the columns' shape, here dColumns, the two products are one number."),
    h("div", { class: "row" }, grid.element, h("code", { class: "formula", tabindex: 0 }, `<im2col(x), dColumns> = ${left.toPrecision(9)}\n<x, col2im(dColumns)> = ${right.toPrecision(9)}`)),
    h("p", {}, h("span", { class: agrees(left, right, size) ? "agrees" : "differs" }, agrees(left, right, size) ? "The two agree." : "The two DISAGREE."))];
}
