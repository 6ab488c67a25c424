// The whole net: image, every layer's maps, logits, softmax; forward or as gradients; one weight through one step.
import { choice, count, h, put, says, show, toggle, verdict } from "./dom.js";
import { matrix } from "./grid.js";
import { tileStrip } from "./maps.js";
import { probabilities } from "./trace.js";

const kMostTiles = 64, kMostFilters = 128, kFold = 42, kSaturated = 0.95;

export const netScene = {
  id: "net",
  title: "The whole net",
  build(root, trace) {
    const body = h("div"), step = h("div");
    let image = 0, gradients = false;
    const follow = (parameter, index) => { if (!trace.compact) stepPart(trace, step, parameter, index); };
    const draw = () => put(body, ...netBody(trace, image, gradients, follow));
    root.append(h("h2", {}, "The whole net, from the picture to the answer"),
      h("p", {}, trace.compact ? "Of every layer the maps that the picture excites most, as many as such a network's page has room for. Choose one to see it large."
        : "Every layer's maps. Choose one to see its numbers; choose a weight of a filter to follow it through a step of training."),
      h("div", { class: "bar" }, trace.images.length > 1 ? choice("image ", trace.images.map((one, i) => [i, one.name]), 0, (i) => { image = Number(i); draw(); }) : null,
        trace.compact ? null : toggle("gradients in place of activations", false, (on) => { gradients = on; draw(); })), body, step);
    draw();
    follow(0, 0);
  },
};

/// [channels, rows, columns] of a value of any rank: a row of classes is one picture of one row.
const asMaps = (shape) => (shape.length === 3 ? shape : [1, 1, shape.reduce((a, b) => a * b, 1)]);

/// What is shown of a value: `count` maps of H x W with their `values`; name(k) of the k-th, `note` where some are left out.
function mapsOf(value, image, gradients) {
  const [C, H, W] = asMaps(value.shape);
  if (!value.maps) return { count: Math.min(C, kMostTiles), H, W, factor: 1, name: (k) => k, values: (gradients ? value.gradient : value.data)[image], note: C > kMostTiles ? `the first ${kMostTiles} of ${C} maps` : "" };
  const { factor, channels, data } = value.maps, some = channels[image];
  const note = [some.length < C ? `the ${some.length} of ${C} maps that it excites most` : "", factor > 1 ? `means of ${factor} \u00d7 ${factor} cells` : ""].filter((text) => text).join(", ");
  return { count: some.length, H: Math.ceil(H / factor), W: Math.ceil(W / factor), factor, name: (k) => some[k], values: data[image], note };
}

function statistics(layer, values) {
  let low = Infinity, high = -Infinity, sum = 0, zeros = 0, saturated = 0;
  const scale = layer?.attributes?.scale?.[0] ?? 1;
  for (const v of values) {
    low = Math.min(low, v);
    high = Math.max(high, v);
    sum += v;
    zeros += v === 0 ? 1 : 0;
    saturated += Math.abs(v) > kSaturated * scale ? 1 : 0;
  }
  return statisticsText(layer, { low, high, mean: sum / values.length, zero: zeros / values.length, saturated: saturated / values.length });
}
function statisticsText(layer, { low, high, mean, zero, saturated }) {
  const share = (n) => `${(100 * n).toFixed(1)} %`;
  return `${show(low)} to ${show(high)}, mean ${show(mean)}` +
    (layer?.type === "Tanh" || layer?.type === "Sigmoid" ? `, saturated ${share(saturated)}` : zero > 0 ? `, zero ${share(zero)}` : "");
}

function netBody(trace, image, gradients, chooseWeight) {
  const words = says(), detail = h("div", { class: "row" });
  put(words, "Choose a map.");
  function large(title, { H, W, values, factor, name }, k) {
    const ch = name(k), times = factor > 1 ? `, means of ${factor} \u00d7 ${factor}` : "";
    const cell = Math.max(6, Math.min(26, Math.floor(560 / W)));
    const grid = matrix({ rows: H, cols: W, cell, title: `${title}, map ${ch}${times}`, value: (r, c) => values[(k * H + r) * W + c],
      onPoint: (r, c) => { if (r != null) put(words, `${title}, map ${ch}, (${r * factor}, ${c * factor}): ${show(values[(k * H + r) * W + c])}`); } });
    put(detail, grid.element);
    put(words, `${title}, map ${ch}: point at a cell.`);
  }
  const one = (title, layer, value, facts) => {
    const maps = mapsOf(value, image, gradients), { H, W, values } = maps;
    const fold = H === 1 && W > kFold ? kFold : W; // long rows are folded
    return h("section", { class: "layer" }, h("h3", {}, title, " ", h("small", { class: "soft" }, `${value.shape.join(" \u00d7 ")}${facts}`)),
      h("p", { class: "soft" }, gradients ? `gradient: ${statistics(null, values)}` : value.facts ? statisticsText(layer, value.facts[image]) : statistics(layer, values)),
      tileStrip({ tiles: maps.count, rows: H === 1 ? Math.ceil(W / fold) : H, cols: fold, pixel: H === 1 ? 9 : undefined, title: maps.note, onPick: (k) => large(title, maps, k),
        value: (k, r, c) => (H === 1 ? values[r * fold + c] ?? 0 : values[(k * H + r) * W + c]) }));
  };
  const layers = trace.layers.flatMap((layer) => {
    if (layer.type === "Flatten" || layer.type === "Dropout") return [];
    const weight = trace.parameters[layer.weight], parameters = [weight, trace.parameters[layer.bias]].filter((p) => p).reduce((n, p) => n + p.shape.reduce((a, b) => a * b, 1), 0);
    const parts = [one(layer.name, layer, trace.values[layer.output], `, ${layer.type}${parameters ? `, ${count(parameters)} parameters` : ""}`)];
    if (weight?.shape.length === 4) {
      const [OC, IC, KH, KW] = weight.shape, numbers = gradients ? weight.gradient : weight.data;
      parts[0].append(tileStrip({ tiles: Math.min(OC * IC, kMostFilters), rows: KH, cols: KW, pixel: 5,
        title: (gradients ? "its filters' gradients" : "its filters") + (OC * IC > kMostFilters ? `, the first ${kMostFilters} of ${count(OC * IC)}` : ""),
        value: (k, r, c) => numbers[(k * KH + r) * KW + c], onPick: (k, r, c) => chooseWeight(layer.weight, (k * KH + r) * KW + c) }));
    }
    return parts;
  });
  const p = probabilities(trace, image), logits = trace.values[trace.layers.at(-1).output].data[image];
  const bars = p.map((share, c) => h("tr", share === Math.max(...p) ? { class: "now" } : {}, h("th", { scope: "row" }, h("bdi", {}, trace.classes[c])), h("td", {}, show(logits[c])), h("td", {}, `${(100 * share).toFixed(2)} %`),
    h("td", {}, h("span", { class: "meter", "aria-hidden": "true" }, h("i", { style: `width: ${100 * share}%` })))));
  return [h("div", { class: "two" }, h("div", {}, one("image", null, trace.values[0], ""), ...layers),
    h("div", { class: "aside" }, words, detail, h("h3", {}, "Softmax"), h("table", {}, h("thead", {}, h("tr", {}, ...["class", "logit", "probability", "as a bar"].map((text) => h("th", {}, text)))), h("tbody", {}, ...bars))))];
}

/// One weight through one step of Adam from moments of zero, each line with the engine's own number.
function stepPart(trace, root, parameter, index) {
  const p = trace.parameters[parameter], { beta1, beta2, epsilon } = trace.adam, g = p.gradient[index], w = p.data[index];
  const m = (1 - beta1) * g, v = (1 - beta2) * g * g, unbiasedM = m / (1 - beta1), unbiasedV = v / (1 - beta2);
  const update = (trace.lr * unbiasedM) / (Math.sqrt(unbiasedV) + epsilon), after = w - update;
  const line = (name, formula, value, theirs, size) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, h("code", {}, formula)), h("td", {}, show(value)), h("td", {}, theirs == null ? "" : verdict(value, theirs, size)));
  const place = p.shape.length === 4 ? `filter ${Math.floor(index / (p.shape[1] * p.shape[2] * p.shape[3]))}, channel ${Math.floor(index / (p.shape[2] * p.shape[3])) % p.shape[1]}, (${Math.floor(index / p.shape[3]) % p.shape[2]}, ${index % p.shape[3]})` : `number ${index}`;
  const input = h("input", { type: "number", min: 0, max: p.data.length - 1, value: index, onchange: () => { const i = Math.round(Number(input.value)); if (i >= 0 && i < p.data.length) stepPart(trace, root, parameter, i); } });
  put(root, h("h3", { id: "one-weight" }, "One weight's journey through one step"),
    h("p", {}, `The step the program took on these ${trace.images.length === 1 ? "pixels" : `${trace.images.length} pictures`}: Adam, learning rate ${show(trace.lr)}, both moments 0 before.`),
    h("div", { class: "bar" }, choice("parameter ", trace.parameters.map((one, i) => [i, one.name]), parameter, (i) => stepPart(trace, root, Number(i), 0)), h("label", {}, "number ", input), h("span", { class: "soft" }, place)),
    h("div", { class: "terms", tabindex: 0, role: "region", "aria-label": "The step, line by line" }, h("table", {}, h("tbody", {},
      line("weight", "w", w), line("gradient of the mean loss", "g", g),
      line("first moment", `m = (1 \u2212 ${beta1}) g`, m, p.m?.[index], Math.abs(m)), line("second moment", `v = (1 \u2212 ${beta2}) g\u00b2`, v, p.v?.[index], Math.abs(v)),
      line("without their start at 0", `m / (1 \u2212 ${beta1})`, unbiasedM), line("the same of the second", `v / (1 \u2212 ${beta2})`, unbiasedV),
      line("step", `lr m\u0302 / (\u221av\u0302 + ${epsilon})`, update), line("new weight", "w \u2212 step", after, p.after[index], Math.abs(w) + Math.abs(update))))));
}
