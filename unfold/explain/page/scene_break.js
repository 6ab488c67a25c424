// Break it: faults that real programs had, switched on by hand, and the gradient check that catches each.
import { h, put, says, show, slider, toggle } from "./dom.js";
import { matrix } from "./grid.js";
import { faultCheck, faultGradients, faultSetting, kFaults, kFaultStep } from "./faults.js";

const kPasses = 1e-6;

export const breakScene = {
  id: "break",
  title: "Break it",
  build(root) {
    const settings = { images: 2, size: 5, kernel: 3, stride: 2, padding: 1 }, on = new Set(), body = h("div");
    const draw = () => put(body, ...breakBody(settings, on));
    const one = (name, low, high) => slider(name, low, high, settings[name], (v) => { settings[name] = v; draw(); });
    root.append(h("h2", {}, "Break it: faults that real programs had"),
      h("p", {}, "Each switch puts one historical fault into a small convolution with tanh behind it. The gradient check knows nothing of the faults: it moves one number a little, up and down, and looks at the loss."),
      h("div", { class: "bar" }, ...Object.entries(kFaults).map(([key, { name }]) => toggle(name, false, (is) => { is ? on.add(key) : on.delete(key); draw(); }))),
      h("div", { class: "bar" }, one("images", 1, 3), one("size", 3, 6), one("kernel", 2, 3), one("stride", 1, 2), one("padding", 0, 1)), body);
    draw();
  },
};

function breakBody(settings, on) {
  const s = faultSetting(settings);
  if (!s) return [h("p", {}, "The window is larger than the padded image.")];
  const words = says(), right = faultTensors(s, new Set()), broken = faultTensors(s, on), checks = faultCheck(s, faultGradients(s, on));
  const caught = checks.map((row) => !(row.worst <= kPasses));
  // Those that change nothing in these settings: no check of numbers can see them.
  const silent = [...on].filter((key) => faultTensors(s, new Set([key])).every(({ values }, t) => !values.some((v, i) => faultDiffers(v, right[t].values[i]))));

  /// One tensor, right and with the faults; the wrong cells framed, the check's worst one crossed.
  function pair({ name, side, values: bad }, t) {
    const good = right[t].values, scale = Math.max(...good.map(Math.abs), ...bad.map(Math.abs)) || 1, place = (i) => ({ r: Math.floor(i / side), c: i % side });
    const wrong = bad.flatMap((v, i) => (faultDiffers(v, good[i]) ? [{ ...place(i), kind: caught[t] && i === checks[t].at ? 3 : 1 }] : []));
    const grid = (title, values) => matrix({ rows: side, cols: side, cell: 42, title, scale, value: (r, c) => values[r * side + c], onPoint: (r, c) => {
      if (r != null) put(words, `${name} (${r}, ${c}): right ${show(good[r * side + c])}, ${on.size ? "with the faults" : "computed"} ${show(bad[r * side + c])}.`);
    } });
    const grids = [grid(`${name}, right`, good), grid(on.size ? `${name}, with the faults: ${wrong.length} of ${good.length} wrong` : `${name}, no fault`, bad)];
    grids[1].mark(wrong);
    return h("div", { class: "row" }, ...grids.map((g) => g.element));
  }
  const rows = checks.map((row, t) => {
    const { side } = right[t];
    return h("tr", caught[t] ? { class: "now" } : {}, h("th", { scope: "row" }, row.tensor), h("td", {}, `(${Math.floor(row.at / side)}, ${row.at % side})`), h("td", {}, show(row.analytic)), h("td", {}, show(row.numeric)),
      h("td", {}, row.worst.toExponential(1)), h("td", {}, h("span", { class: caught[t] ? "differs" : "agrees" }, caught[t] ? "CAUGHT" : "passes")));
  });
  const names = checks.filter((_, t) => caught[t]).map((row) => row.tensor);
  put(words, on.size === 0 ? "No fault is switched on: the check passes." : names.length ? `The check catches it, in ${names.join(", ")}.` : "The check passes: with these settings nothing is changed.");
  return [
    ...[...on].map((key) => h("p", {}, h("b", {}, `${kFaults[key].name}. `), kFaults[key].what)),
    ...silent.map((key) => h("p", { class: "silent" }, h("b", {}, `With these settings "${kFaults[key].name}" changes nothing. `), `That is why such a fault can live for years: every test passes until somebody has ${kFaults[key].shownBy}.`)),
    words,
    h("div", { class: "terms", id: "gradient-check", tabindex: 0, role: "region", "aria-label": "The gradient check" }, h("table", {}, h("caption", {}, "The worst cell of each gradient"),
      h("thead", {}, h("tr", {}, ...["gradient", "cell", "backward says", "differences say", "relative error", "the check"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, ...rows))),
    h("p", { class: "soft" }, `Differences: (loss(v + h) \u2212 loss(v \u2212 h)) / 2h, h = ${kFaultStep.toExponential(0)}, in double precision. A relative error up to ${kPasses.toExponential(0)} passes. Below, wrong cells are framed and the worst of each gradient is crossed.`),
    h("div", { class: "row" }, ...broken.map(pair)),
  ];
}

/// The gradients as squares of numbers, in the order of the gradient check: [{name, side, values}].
function faultTensors(s, on) {
  const { dw, dx } = faultGradients(s, on);
  return [{ name: "dW", side: s.kernel, values: dw }, ...dx.map((values, i) => ({ name: `dX of image ${i}`, side: s.size, values }))];
}

/// Further apart than another order of the same sums.
const faultDiffers = (a, b) => Math.abs(a - b) > 1e-9;
