// What it saw: saliency, guided backprop, Grad-CAM, DeconvNet and occlusion of each picture.
import { choice, h, put, says, show } from "./dom.js";
import { matrix } from "./grid.js";
import { tileStrip } from "./maps.js";
import { floats } from "./trace.js";

export const seenScene = {
  id: "seen",
  title: "What it saw",
  build(root, trace) {
    const body = h("div");
    const draw = (image) => put(body, ...seenBody(trace, image));
    root.append(h("h2", {}, "What the network saw in it"),
      h("p", {}, "Five ways to ask which pixels made the answer. None of them is the truth; where they agree it is worth looking. Below each stands what it computes."),
      ...(trace.images.length > 1 ? [h("div", { class: "bar" }, choice("image ", trace.images.map((one, i) => [i, one.name]), 0, (i) => draw(Number(i))))] : []), body);
    draw(0);
  },
};

function seenBody(trace, image) {
  const seen = trace.images[image].seen, [C, H, W] = trace.values[0].shape, words = says();
  const target = trace.classes[trace.images[image].class], cell = Math.max(W > 96 ? 1 : 3, Math.min(9, Math.floor(290 / W)));
  put(words, "Point at a pixel.");
  /// A picture with its explanation; values (H, W), or (C, H, W) of which the mean over the channels is shown.
  const picture = (title, text, values, rows = H, cols = W, size = cell) => {
    const channels = values.length / (rows * cols);
    const value = (r, c) => { let sum = 0; for (let k = 0; k < channels; ++k) sum += values[(k * rows + r) * cols + c]; return sum / channels; };
    const grid = matrix({ rows, cols, cell: size, title, value, onPoint: (r, c) => { if (r != null) put(words, `${title}, (${r}, ${c}): ${show(value(r, c))}`); } });
    return h("div", { class: "card seen" }, grid.element, h("p", { class: "soft" }, text));
  };
  const { rows, columns, size, stride, whole, probability } = seen.occlusion, loss = floats(probability).map((p) => (whole > 0 ? Math.max(0, 1 - p / whole) : 0));
  return [words, h("div", { class: "row" },
    picture("the image", "What the network was given.", trace.values[0].data[image]),
    picture("saliency", `|d score / d pixel|: which pixel would change the score of "${target}" most, whatever it shows now.`, floats(seen.saliency)),
    picture("guided backprop", trace.layers.some((layer) => layer.type === "Relu") ? "The same gradient, but no ReLU lets a negative one back: only what speaks for the class."
      : "The gradient with its sign. Where there is a ReLU, it would let nothing negative back; this network has none.", floats(seen.guided)),
    seen.layer ? picture(`Grad-CAM at ${seen.layer}`, "The layer's maps, each weighed by its mean gradient, added up, without what is below 0: where the evidence stands.", floats(seen.grad_cam)) : null,
    picture("occlusion", `A grey square of ${size} \u00d7 ${size} pixels, moved by ${stride}: how much less likely "${target}" becomes (0: as before, 1: impossible). As it is: ${(100 * whole).toFixed(1)} %.`, loss, rows, columns, Math.max(3, Math.floor((cell * H) / rows)))),
    seen.layer ? h("h3", {}, `DeconvNet: the units of ${seen.layer} that this picture excites most`) : null,
    seen.layer ? h("p", {}, "The strongest cell of each unit, brought back to the pixels: unpooling to where the maximum stood (or evenly, for average pooling), ReLU on the way back, filters transposed.") : null,
    h("div", { class: "row" }, ...seen.units.map((unit) => picture(`unit ${unit.unit}`, `activation ${show(unit.activation)}`, floats(unit.pixels), H, W, Math.max(W > 96 ? 1 : 2, Math.floor(cell * 0.6))))),
    ...(trace.patches ? patchesPart(trace, seen.units.map(({ unit }) => unit), words) : [])];
}

/// The patches of a data set that excite the shown units most.
function patchesPart(trace, units, words) {
  const { data, layer, height, width } = trace.patches;
  const rows = units.map((unit) => trace.patches.units.find((one) => one.unit === unit)).map(({ unit, patches }) => {
    const pixels = patches.map((patch) => floats(patch.pixels)), channels = pixels.length ? pixels[0].length / (height * width) : 1;
    const strip = tileStrip({ tiles: patches.length, rows: height, cols: width, title: `unit ${unit}`, pixel: Math.max(1, Math.floor(84 / Math.max(height, width))),
      value: (k, r, c) => { let sum = 0; for (let ch = 0; ch < channels; ++ch) sum += pixels[k][(ch * height + r) * width + c]; return sum / channels; },
      onPick: (k) => put(words, `Unit ${unit}: test image ${patches[k].image} of ${data}, a `, h("bdi", {}, trace.classes[patches[k].class] ?? ""), `, excites it by ${show(patches[k].activation)}: number ${k + 1} of all.`) });
    return strip;
  });
  return [h("h3", {}, `What excites these units most in all of ${data}`),
    h("p", {}, `Of the ${height} \u00d7 ${width} pixels that one cell of ${layer} sees, those of the test images with the largest activations, the largest first. Choose one to read where it is from. Left empty: beyond the image's edge.`),
    h("div", { class: "row" }, ...rows)];
}
