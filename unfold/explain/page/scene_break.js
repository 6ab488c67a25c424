// Break it: faults that real programs had, switched on by hand, and the gradient check that catches each.
import { h, put, says, show, slider, toggle } from "./dom.js";
import { matrix } from "./grid.js";
import { faultCheck, faultGradients, faultSetting, kFaults } from "./faults.js";

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
      h("div", { class: "bar" }, ...Object.entries(kFaults).map(([key, [text]]) => toggle(text, false, (is) => { is ? on.add(key) : on.delete(key); draw(); }))),
      h("div", { class: "bar" }, one("images", 1, 3), one("size", 3, 6), one("kernel", 2, 3), one("stride", 1, 2), one("padding", 0, 1)), body);
    draw();
  },
};

function breakBody(settings, on) {
  const s = faultSetting(settings);
  if (!s) return [h("p", {}, "The window is larger than the padded image.")];
  const right = faultGradients(s), broken = faultGradients(s, on), checks = faultCheck(s, broken), words = says();
  const differs = (a, b) => Math.abs(a - b) > 1e-9;
  const pair = (title, side, good, bad) => {
    const wrong = bad.flatMap((v, i) => (differs(v, good[i]) ? [{ r: Math.floor(i / side), c: i % side, kind: 3 }] : []));
    const grid = (name, values) => matrix({ rows: side, cols: side, cell: 42, title: name, value: (r, c) => values[r * side + c], scale: Math.max(...good.map(Math.abs), ...bad.map(Math.abs)) || 1,
      onPoint: (r, c) => { if (r != null) put(words, `${title} (${r}, ${c}): right ${show(good[r * side + c])}, with the faults ${show(bad[r * side + c])}.`); } });
    const grids = [grid(`${title}, right`, good), grid(on.size ? `${title}, with the faults: ${wrong.length} of ${good.length} wrong` : `${title}, no fault`, bad)];
    grids[1].mark(wrong);
    return h("div", { class: "row" }, ...grids.map((g) => g.element));
  };
  const silent = [...on].filter((key) => {
    const alone = faultGradients(s, new Set([key]));
    return !alone.dw.some((v, i) => differs(v, right.dw[i])) && !alone.dx.some((image, n) => image.some((v, i) => differs(v, right.dx[n][i])));
  });
  const caught = checks.some((row) => !(row.worst <= kPasses));
  put(words, on.size === 0 ? "No fault is switched on: the check passes." : caught ? "The check catches it." : "The check passes: with these settings the fault changes nothing.");
  const rows = checks.map((row) => {
    const good = row.worst <= kPasses, side = row.tensor === "dW" ? s.kernel : s.size;
    return h("tr", good ? {} : { class: "now" }, h("th", { scope: "row" }, row.tensor), h("td", {}, `(${Math.floor(row.at / side)}, ${row.at % side})`), h("td", {}, show(row.analytic)), h("td", {}, show(row.numeric)), h("td", {}, row.worst.toExponential(1)),
      h("td", {}, h("span", { class: good ? "agrees" : "differs" }, good ? "passes" : "CAUGHT")));
  });
  return [
    ...[...on].map((key) => h("p", {}, h("b", {}, `${kFaults[key][0]}. `), kFaults[key][1])),
    ...silent.map((key) => h("p", { class: "soft silent" }, `With these settings "${kFaults[key][0]}" changes nothing. That is why such a fault can live for years: only ${{ crop: "padding", sum: "more than one image", stride: "a stride of 2" }[key] ?? "another input"} shows it.`)),
    words,
    h("div", { class: "terms", id: "gradient-check" }, h("table", {}, h("caption", {}, `The gradient check, each tensor's worst cell; passes up to ${kPasses.toExponential(0)}`),
      h("thead", {}, h("tr", {}, ...["gradient", "cell", "backward says", "differences say", "relative error", ""].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, ...rows))),
    pair("dW", s.kernel, right.dw, broken.dw), pair("dX of image 0", s.size, right.dx[0], broken.dx[0]),
  ];
}
