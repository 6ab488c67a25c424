// Multiply: flattened filters times the patch matrix; one cell of the output as a dot product, term by term.
import { agrees, choice, count, h, put, says, show, verdict } from "./dom.js";
import { matrix } from "./grid.js";
import { player } from "./player.js";
import { columnValue, firstRow, outputCell, placeOf } from "./subject.js";
import { subjectBar } from "./subject_bar.js";
import { columnsGrid, outputGrid } from "./subject_grids.js";

const kMostProducts = 3e7; // of a layer that is recomputed as a whole

export const multiplyScene = {
  id: "multiply",
  title: "Multiply",
  build(root, trace) {
    const body = h("div");
    const bar = subjectBar(trace, (s) => put(body, ...multiplyBody(s)), true);
    root.append(h("h2", {}, "Multiply: the convolution is one matrix product"),
      h("p", {}, "Each filter, flattened, is a row of W. Row times column of the patch matrix, plus the bias, is one number of the output. Choose a cell of the output and follow its sum."),
      bar.element, body);
    bar.start();
  },
};

/// The cells of y that the page, summing again, finds different from the engine's: [{oc, c}]; null if there are too many
/// products.
export function forwardDisagreements(s) {
  if (s.OC * s.depth * s.cols > kMostProducts) return null;
  const wrong = [];
  for (let oc = 0; oc < s.OC; ++oc) {
    for (let c = 0; c < s.cols; ++c) {
      const cell = outputCell(s, oc, c);
      if (!agrees(cell.sum, s.y[oc * s.cols + c], cell.size)) wrong.push({ oc, c });
    }
  }
  return wrong;
}

function multiplyBody(s) {
  const words = says(), wrong = s.real ? forwardDisagreements(s) : [];
  let oc = wrong?.length ? wrong[0].oc : 0, cell = wrong?.length ? wrong[0].c : 0;
  const terms = h("div", { class: "terms", tabindex: 0, role: "region", "aria-label": "The sum, term by term" });
  const pictures = h("div", { class: "row" });
  const weights = matrix({ rows: s.OC, cols: s.depth, cell: s.real ? Math.max(s.depth > 2000 ? 2 : 5, Math.min(16, Math.floor(420 / s.depth))) : 34, bands: [0, s.KH * s.KW],
    title: `W: ${s.OC} filters of ${s.depth} weights`, value: (r, k) => s.w[r * s.depth + k], onPick: (r) => { if (r != null) pick(r, cell); } });
  const columns = columnsGrid(s, { title: `patch matrix: ${s.rows} \u00d7 ${count(s.cols)}`, value: (r, c) => columnValue(s, r, c), onPoint: () => {}, onPick: (r, c) => pick(oc, c) });
  let output;
  const steps = player(s.depth, term, (k) => `term ${k + 1} of ${s.depth}`, 250);

  function outputs() {
    output = outputGrid(s, oc, s.y, { title: `output, channel ${oc}: choose a cell`, onPoint: () => {}, onPick: (r, c) => pick(oc, r * s.OW + c) });
    put(pictures, output.element);
  }
  function pick(channel, c) {
    oc = channel;
    cell = c;
    outputs();
    steps.stop();
    steps.go(s.depth - 1);
  }
  function term(k) {
    const first = firstRow(s, oc), sum = outputCell(s, oc, cell);
    let running = s.b[oc];
    const line = (head, formula, now) => h("tr", now ? { class: "now" } : {}, h("th", { scope: "row" }, head), h("td", {}, formula), h("td", {}, show(running)));
    const lines = [line("bias", show(s.b[oc]), false)];
    for (let i = 0; i <= k; ++i) {
      const [w, x] = sum.terms[i];
      running += w * x;
      lines.push(line(String(i), `${show(w)} \u00b7 ${show(x)} = ${show(w * x)}`, i === k));
    }
    put(terms, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "row"), h("th", {}, "weight \u00b7 pixel"), h("th", {}, "sum so far"))), h("tbody", {}, ...lines)));
    terms.scrollTop = terms.scrollHeight;
    const p = placeOf(s, first + k, cell), theirs = s.y[oc * s.cols + cell];
    weights.mark(Array.from({ length: k + 1 }, (_, i) => ({ r: oc, c: i, kind: i === k ? 1 : 2 })));
    columns.mark([...Array.from({ length: k + 1 }, (_, i) => ({ r: first + i, c: cell, kind: i === k ? 1 : 2 }))]);
    columns.reveal(first + k, cell);
    output.mark([...(wrong ?? []).filter((at) => at.oc === oc).map((at) => ({ r: Math.floor(at.c / s.OW), c: at.c % s.OW, kind: 3 })), { r: p.oh, c: p.ow }]);
    put(words, `Output (${p.oh}, ${p.ow}) of channel ${oc} = bias + ${s.depth} products = ${show(sum.sum)}`, s.real ? ". " : ".", s.real ? verdict(sum.sum, theirs, sum.size) : null);
  }
  outputs();
  steps.go(s.depth - 1);
  const whole = wrong == null ? "This layer is too large to be recomputed whole in a page; each cell you choose is."
    : `All ${count(s.OC * s.cols)} outputs recomputed in the page: ${wrong.length ? `${count(wrong.length)} DISAGREE with the engine` : "every one agrees with the engine"}.`;
  return [
    s.real ? h("p", { id: "forward-check" }, h("span", { class: wrong?.length ? "differs" : "agrees" }, whole)) : null,
    h("div", { class: "bar" }, steps.element, s.OC > 1 ? choice("output channel ", Array.from({ length: s.OC }, (_, k) => [k, k]), oc, (k) => pick(Number(k), cell)) : null),
    words, h("div", { class: "row" }, pictures, terms), weights.element, columns.element,
    h("p", { class: "soft" }, `Without the matrix: ${count(s.OC)} \u00b7 ${count(s.cols)} \u00b7 ${count(s.depth)} = ${count(s.OC * s.cols * s.depth)} products in seven loops. With it: the same products, in one call.`),
  ];
}
