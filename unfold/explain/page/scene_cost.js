// Cost: what the patch matrix takes, and what this machine's processor needed for each way.
import { count, h } from "./dom.js";

const kBytes = 4;
const bytesText = (n) => (n >= 1e6 ? `${(n / 1e6).toPrecision(3)} MB` : `${(n / 1e3).toPrecision(3)} kB`);
const timeText = (s) => (s == null ? "\u2014" : s >= 1e-3 ? `${(1e3 * s).toPrecision(3)} ms` : `${(1e6 * s).toPrecision(3)} \u00b5s`);

export const costScene = {
  id: "cost",
  title: "Cost",
  build(root, trace) {
    const layers = trace.layers.filter((layer) => layer.type === "Conv2d").map((layer) => {
      const [C, H, W] = trace.values[layer.inputs[0]].shape, [, OH, OW] = trace.values[layer.output].shape, [KH, KW] = layer.window.kernel;
      return { layer, image: kBytes * C * H * W, matrix: kBytes * C * KH * KW * OH * OW };
    });
    const engines = ["naive", "im2col", "fast"], most = Math.max(...layers.flatMap(({ layer }) => engines.map((e) => layer.seconds[e] ?? 0)));
    const bar = (share) => h("span", { class: "meter", "aria-hidden": "true" }, h("i", { style: `width: ${100 * share}%` }));
    const cell = (seconds) => h("td", {}, timeText(seconds), " ", bar(most > 0 ? (seconds ?? 0) / most : 0));
    const head = (...texts) => h("thead", {}, h("tr", {}, ...texts.map((text) => h("th", { scope: "col" }, text))));
    const total = (engine) => layers.reduce((sum, { layer }) => (sum == null || layer.seconds[engine] == null ? null : sum + layer.seconds[engine]), 0);
    const naive = total("naive"), fast = total("fast");
    root.append(h("h2", {}, "Cost: why unfold at all, and why not write it down"),
      h("p", {}, "Unfolding copies every pixel once for each window that covers it. That costs memory, and wins time: one large matrix product keeps a processor busy, seven nested loops do not."),
      h("div", { class: "terms", tabindex: 0, role: "region", "aria-label": "Memory" }, h("table", {}, h("caption", {}, "One image: what the matrix takes, and what has to be multiplied"), head("layer", "image", "patch matrix", "times", "", "multiply-adds"),
        h("tbody", {}, ...layers.map(({ layer, image, matrix }) => h("tr", {}, h("th", { scope: "row" }, h("bdi", {}, layer.name)), h("td", {}, bytesText(image)), h("td", {}, bytesText(matrix)), h("td", {}, `${(matrix / image).toFixed(1)}\u00d7`),
          h("td", {}, bar(matrix / Math.max(...layers.map((one) => one.matrix)))), h("td", {}, count(layer.macs))))))),
      h("h3", {}, "Measured when this page was made, one image forward on one thread"),
      h("div", { class: "terms", tabindex: 0, role: "region", "aria-label": "Time" }, h("table", {}, h("caption", {}, "The convolutions, by engine"), head("layer", "naive: seven loops", "im2col: matrix and product", "fast"),
        h("tbody", {}, ...layers.map(({ layer }) => h("tr", {}, h("th", { scope: "row" }, h("bdi", {}, layer.name)), ...engines.map((e) => cell(layer.seconds[e])))),
          h("tr", { class: "now" }, h("th", { scope: "row" }, "together"), ...engines.map((e) => h("td", {}, timeText(total(e)))))))),
      naive && fast ? h("p", {}, `The fast engine is ${(naive / fast).toFixed(0)} times as fast as the loops here.`) : null,
      h("p", {}, "The fast engine keeps the idea and drops the matrix: its kernels read the patches straight from the image, where they overlap, while the numbers are in the nearest cache. The columns are still there, but nobody writes them down."));
  },
};
