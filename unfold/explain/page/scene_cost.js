// Cost: what the patch matrix takes, and what this machine's processor needed for each way.
import { count, h } from "./dom.js";

const kBytes = 4; // a number
const bytesText = (n) => (n >= 1e6 ? `${(n / 1e6).toPrecision(3)} MB` : `${(n / 1e3).toPrecision(3)} kB`);
const timeText = (s) => (s == null ? "\u2014" : s >= 1e-3 ? `${(1e3 * s).toPrecision(3)} ms` : `${(1e6 * s).toPrecision(3)} \u00b5s`);
const costEngines = { naive: "naive: seven loops", im2col: "im2col: matrix and product", fast: "fast: patches in place" };

export const costScene = {
  id: "cost",
  title: "Cost",
  build(root, trace) {
    const layers = trace.layers.filter((layer) => layer.type === "Conv2d"), sum = (list, f) => list.reduce((total, one) => total + f(one), 0);
    /// Of some layers together; null where one was not measured.
    const time = (list, engine) => (list.some((layer) => layer.seconds[engine] == null) ? null : sum(list, (layer) => layer.seconds[engine]));
    const bar = (share) => h("span", { class: "meter", "aria-hidden": "true" }, h("i", { style: `width: ${100 * share}%` }));
    const table = (id, caption, head, rows) => h("div", { class: "terms", id, tabindex: 0, role: "region", "aria-label": caption }, h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, ...head.map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, ...rows)));
    /// A row; sums are emphasised.
    const row = (name, is, ...cells) => h("tr", is ? { class: "now" } : {}, h("th", { scope: "row" }, h("bdi", {}, name)), ...cells.map((cell) => h("td", {}, ...[cell].flat())));
    const widest = Math.max(...layers.map((layer) => costMatrix(trace, layer))), slowest = Math.max(...layers.flatMap((layer) => Object.keys(costEngines).map((engine) => layer.seconds[engine] ?? 0)));
    const memory = (name, list, is) => {
      const image = sum(list, (layer) => costImage(trace, layer)), patches = sum(list, (layer) => costMatrix(trace, layer));
      return row(name, is, bytesText(image), bytesText(patches), is ? "" : bar(patches / widest), `${(patches / image).toFixed(1)}\u00d7`, is ? "" : list[0].window.kernel.join("\u00b7"), count(sum(list, (layer) => layer.macs)));
    };
    const times = (name, list, is) => row(name, is, ...Object.keys(costEngines).map((engine) => [timeText(time(list, engine)), is ? "" : " ", is ? "" : bar(slowest > 0 ? (time(list, engine) ?? 0) / slowest : 0)]));
    const rows = (one) => [...layers.map((layer) => one(layer.name, [layer], false)), layers.length > 1 ? one("all convolutions", layers, true) : null].filter((r) => r);
    const naive = time(layers, "naive"), im2col = time(layers, "im2col"), fast = time(layers, "fast"), unknown = trace.layers.some((layer) => Object.keys(costEngines).some((engine) => layer.seconds[engine] == null));
    root.append(h("h2", {}, "Cost: why unfold at all, and why not write it down"),
      h("p", {}, "Unfolding copies every pixel once for each window that covers it. That costs memory, and wins time: one large matrix product keeps a processor busy, seven nested loops do not."),
      table("cost-memory", "One image: what the matrix takes, and what has to be multiplied", ["layer", "image", "patch matrix", "as a bar", "times the image", "KH\u00b7KW", "multiply-adds"],
        [...rows(memory), row("whole network", true, "", "", "", "", "", count(sum(trace.layers, (layer) => layer.macs)))]),
      h("p", { class: "soft" }, "As a rule the matrix is KH\u00b7KW times the image: each pixel lies under so many windows. At the border it lies under fewer, unless there is padding, and a stride divides the number by SH\u00b7SW."),
      h("h3", {}, "Measured when this page was made, one image forward on one thread"),
      table("cost-time", "Time by engine", ["layer", ...Object.values(costEngines)], [...rows(times), times("whole network", trace.layers, true)]),
      unknown ? h("p", { class: "soft" }, "\u2014: not measured. The engine runs the layer joined with the next one, or the loops would have kept you waiting.") : "",
      naive && im2col && fast ? h("p", {}, `On these convolutions im2col is ${costTimes(naive / im2col)} times as fast as the loops here, and the fast engine ${costTimes(naive / fast)} times.`) : "",
      h("p", {}, "The fast engine keeps the idea and drops the matrix: its kernels read the patches straight from the image, where they overlap, while the numbers are in the nearest cache. The columns are still there, but nobody writes them down."));
  },
};

/// Bytes of a convolution's input, and of its patch matrix.
const costImage = (trace, layer) => kBytes * trace.values[layer.inputs[0]].shape.reduce((a, b) => a * b, 1);
function costMatrix(trace, layer) {
  const [C] = trace.values[layer.inputs[0]].shape, [, OH, OW] = trace.values[layer.output].shape, [KH, KW] = layer.window.kernel;
  return kBytes * C * KH * KW * OH * OW;
}
const costTimes = (ratio) => (ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(1));
