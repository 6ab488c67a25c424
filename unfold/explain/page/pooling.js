// One pooling layer in plain loops, as the library defines it. The window is that of a convolution, but it never mixes
// channels. Padding counts as 0 in a mean (or not at all, by the layer's count_include_pad) and never wins a maximum;
// of equal largest pixels the first in window order wins.
import { agrees } from "./dom.js";
import { copiesOf, placeOf } from "./subject.js";

const isPooling = (layer) => layer.type === "AvgPool2d" || layer.type === "MaxPool2d";

/// The pooling layers of the network as [key, text] for a choice, the small example first.
export function poolingChoices(trace) {
  const real = trace.layers.map((layer, i) => [String(i), layer]).filter(([, layer]) => !trace.compact && isPooling(layer));
  return [["small", "a small example"], ...real.map(([key, layer]) => [key, `${layer.name} of ${trace.model}`])];
}

/// One pooling layer of the trace, one image of it. y, dy, dx are the engine's; dx is null where the layer's input goes
/// elsewhere too, for then its gradient is not of this layer alone.
export function realPooling(trace, key, image) {
  const layer = trace.layers[key], w = layer.window, input = trace.values[layer.inputs[0]], output = trace.values[layer.output];
  const [C, H, W] = input.shape, [, OH, OW] = output.shape;
  const alone = trace.layers.filter((other) => other.inputs.includes(layer.inputs[0])).length === 1;
  return finishPooling({ name: layer.name, real: true, image, max: layer.type === "MaxPool2d", includePad: layer.attributes.count_include_pad?.[0] !== 0,
    C, H, W, OH, OW, KH: w.kernel[0], KW: w.kernel[1], SH: w.stride[0], SW: w.stride[1], PT: w.pad[0], PL: w.pad[1], DH: w.dilation[0], DW: w.dilation[1],
    x: input.data[image], y: output.data[image], dy: output.gradient[image], dx: alone ? input.gradient[image] : null });
}

/// n whole numbers of from .. from + spread - 1 that look like none in particular; another seed, others.
export function wholeNumbers(n, from, spread, seed) {
  return Float32Array.from({ length: n }, (_, i) => from + ((i * 7 + seed * 3 + ((i * i) % 11)) % spread));
}

/// A made-up layer of small whole numbers, the same for the same settings; another `seed`, another image. y and dx are
/// the page's own. null if the window does not fit.
export function smallPooling({ max = false, size = 6, channels = 1, kernel = 2, stride = 2, padding = 0, includePad = true, seed = 0 } = {}) {
  const out = Math.floor((size + 2 * padding - kernel) / stride) + 1;
  if (out < 1) return null;
  const s = finishPooling({ name: "small example", real: false, image: seed, max, includePad, C: channels, H: size, W: size, OH: out, OW: out,
    KH: kernel, KW: kernel, SH: stride, SW: stride, PT: padding, PL: padding, DH: 1, DW: 1,
    x: wholeNumbers(channels * size * size, 0, 10, seed), dy: wholeNumbers(channels * out * out, -4, 9, 2 + seed) });
  s.y = Float32Array.from(s.pooled);
  s.dx = Float32Array.from({ length: s.x.length }, (_, i) => poolGradient(s, Math.floor(i / (s.H * s.W)), Math.floor(i / s.W) % s.H, i % s.W).sum);
  return s;
}

/// Adds the sizes of the matrices and, by channel and window [ch * cols + c]: pooled, magnitude (of its terms), divisor,
/// winner (the tap, -1 where the window lies on the padding alone).
export function finishPooling(s) {
  s.taps = s.KH * s.KW;
  Object.assign(s, { OC: s.C, groups: 1, depth: s.taps, rows: s.C * s.taps, cols: s.OH * s.OW });
  const n = s.C * s.cols;
  Object.assign(s, { pooled: new Float64Array(n), magnitude: new Float64Array(n), divisor: new Int32Array(n), winner: new Int32Array(n) });
  for (let i = 0; i < n; ++i) {
    const inside = poolWindow(s, Math.floor(i / s.cols), i % s.cols).filter((tap) => tap.inside);
    s.divisor[i] = s.includePad ? s.taps : Math.max(1, inside.length);
    let best = null, sum = 0, size = 0;
    for (const tap of inside) {
      if (best == null || tap.value > best.value || Number.isNaN(tap.value)) best = tap; // NaN must not be hidden
      sum += tap.value;
      size += Math.abs(tap.value);
    }
    s.winner[i] = best?.k ?? -1;
    s.pooled[i] = s.max ? best?.value ?? 0 : sum / s.divisor[i];
    s.magnitude[i] = s.max ? Math.abs(s.pooled[i]) : size / s.divisor[i];
  }
  return s;
}

/// What window c covers in channel ch, in window order: [{k, y, x, inside, value}].
export function poolWindow(s, ch, c) {
  return Array.from({ length: s.taps }, (_, k) => {
    const p = placeOf(s, ch * s.taps + k, c);
    return { k, y: p.y, x: p.x, inside: p.inside, value: p.inside ? s.x[(ch * s.H + p.y) * s.W + p.x] : 0 };
  });
}

/// What tap k of window c gets of dy: a part as large as every other's, or all if it won.
export function poolShare(s, ch, c, k, dy = s.dy) {
  const i = ch * s.cols + c;
  return s.max ? (s.winner[i] === k ? dy[i] : 0) : dy[i] / s.divisor[i];
}

/// dX of one pixel: its shares of all windows over it. {sum, size, windows: [{c, k, value}]}.
export function poolGradient(s, ch, y, x, dy = s.dy) {
  const windows = copiesOf(s, ch, y, x).map(({ r, c }) => ({ c, k: r % s.taps, value: poolShare(s, ch, c, r % s.taps, dy) })).sort((a, b) => a.c - b.c);
  return { windows, sum: windows.reduce((a, w) => a + w.value, 0), size: windows.reduce((a, w) => a + Math.abs(w.value), 0) };
}

/// The cells of y and dx that the page, pooling again, finds different from the engine's: {y, dx}, each [{ch, r, c}].
export function poolDisagreements(s) {
  const wrong = { y: [], dx: [] };
  for (let ch = 0; ch < s.C; ++ch) {
    for (let c = 0; c < s.cols; ++c) {
      const i = ch * s.cols + c;
      if (!agrees(s.pooled[i], s.y[i], s.magnitude[i])) wrong.y.push({ ch, r: Math.floor(c / s.OW), c: c % s.OW });
    }
    for (let i = 0; s.dx && i < s.H * s.W; ++i) {
      const y = Math.floor(i / s.W), x = i % s.W, cell = poolGradient(s, ch, y, x);
      if (!agrees(cell.sum, s.dx[ch * s.H * s.W + i], cell.size)) wrong.dx.push({ ch, r: y, c: x });
    }
  }
  return wrong;
}
