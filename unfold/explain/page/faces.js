// The gradients of a convolution without the patch matrix: each as a convolution of its own, or as a broadcast.
import { agrees, h, show } from "./dom.js";
import { matrix } from "./grid.js";
import { inputGradientAsConvolution, spreadGradient, weightGradientAsConvolution } from "./subject.js";
import { filterGrid, outputGrid } from "./subject_grids.js";

const kSmall = 26; // pixels a cell of a kernel here: numbers still fit

/// [name, number] of each way to the same number; those after the first are compared with it.
function waysTable(ways, size) {
  return h("table", { class: "ways" }, h("thead", {}, h("tr", {}, ...["way", "number", "against the first"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, ...ways.map(([name, value], k) => {
      const same = agrees(value, ways[0][1], size);
      return h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, show(value)), h("td", {}, k === 0 ? "" : h("span", { class: same ? "agrees" : "differs" }, same ? "the same" : "DISAGREES")));
    })));
}

/// dX of pixel (y, x): dL/dI as a convolution, and by broadcast. cell: the sum that col2im makes; broadcast(ch): dX of
/// a channel.
export function pixelFace(s, ch, oc, y, x, cell, broadcast) {
  const other = inputGradientAsConvolution(s, ch, y, x), own = s.C / s.groups, each = s.OC / s.groups, shown = Math.floor(oc / each) === Math.floor(ch / own) ? oc : Math.floor(ch / own) * each;
  const rows = s.H + s.DH * (s.KH - 1), cols = s.W + s.DW * (s.KW - 1), taps = Array.from({ length: s.KH * s.KW }, (_, k) => ({ r: y + Math.floor(k / s.KW) * s.DH, c: x + (k % s.KW) * s.DW, kind: 2 }));
  const spread = matrix({ rows, cols, cell: Math.max(4, Math.min(kSmall, Math.floor(260 / Math.max(rows, cols)))), title: `dY of filter ${shown}, ${s.SH * s.SW > 1 ? "spread by the stride, " : ""}padded`, value: (r, c) => spreadGradient(s, shown, r, c) });
  spread.mark(taps);
  const turned = matrix({ rows: s.KH, cols: s.KW, cell: kSmall, title: "its kernel, turned", value: (r, c) => s.w[((shown * own + (ch % own)) * s.KH + s.KH - 1 - r) * s.KW + s.KW - 1 - c] });
  return [h("p", {}, `Its other face, dL/dI: dY, ${s.SH * s.SW > 1 ? "spread by the stride and " : ""}padded, convolved with the kernel turned by 180 degrees. Over pixel (${y}, ${x}) lie ${s.KH} \u00d7 ${s.KW} of its cells; those that hold an error, times the turned weights, summed over ${each === 1 ? "the filter" : `the ${each} filters`}.`),
    h("div", { class: "row" }, spread.element, turned.element),
    waysTable([["col2im(dColumns)", cell.sum], ["dY * turned kernel", other.sum], ["each error broadcast to its window", broadcast(ch)[y * s.W + x]]], cell.size)];
}

/// dW of one weight at p {ch, kh, kw}: dL/dK as a convolution. cell: the sum of the product dY columns^T.
export function weightFace(s, oc, p, cell) {
  const other = weightGradientAsConvolution(s, oc, p.ch, p.kh, p.kw);
  const kernel = outputGrid(s, oc, s.dy, { cell: Math.max(4, Math.min(kSmall, Math.floor(200 / s.OW))), title: `dY of filter ${oc}, as a kernel of ${s.OH} \u00d7 ${s.OW}` });
  return [h("p", {}, `Its other face, dL/dK: the image convolved with dY as the kernel${s.SH * s.SW > 1 ? ", spread by the stride" : ""}${s.DH * s.DW > 1 ? ", moved by the dilation" : ""}. Laid over the image at this weight's place, (${p.kh}, ${p.kw}), it covers the marked pixels${s.every.length > 1 ? ", of each image" : ""}.`),
    h("div", { class: "row" }, kernel.element), waysTable([["dY \u00b7 columns\u1d40", cell.sum], ["image * dY", other.sum]], cell.size)];
}

/// One error at (r, c) of filter oc, broadcast: what it adds to dX in one channel (ch within its group).
export function errorFace(s, oc, ch, r, c) {
  const error = s.dy[(oc * s.OH + r) * s.OW + c];
  const kernel = filterGrid(s, oc, ch, s.w, { cell: kSmall, title: `filter ${oc}` });
  const stamp = filterGrid(s, oc, ch, s.w.map((w) => w * error), { cell: kSmall, title: `${show(error)} \u00b7 filter ${oc}` });
  return [h("p", {}, "The error broadcast to its slide: times the whole kernel, and laid on the window it came from (marked in dX). All of these laid on one another, slide by slide and filter by filter, are dX."),
    h("div", { class: "row" }, kernel.element, stamp.element)];
}
