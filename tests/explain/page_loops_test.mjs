// The loops of the page (subject.js, faults.js) against the library's reference kernels, number for number:
// node page_loops_test.mjs CONVOLVE. All numbers are whole (or eighths), so all sums are exact.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { faultBackward, faultCheck, faultForward, faultGradients, faultSetting, kFaults } from "../../unfold/explain/page/faults.js";
import { biasGradient, inputGradient, inputGradientAsConvolution, inputGradientByBroadcast, outputCell, realSubject, smallSubject, weightGradient, weightGradientAsConvolution } from "../../unfold/explain/page/subject.js";

let state = 1;
/// A whole number from low to high, the same in every run (mulberry32).
function draw(low, high) {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return low + (((t ^ (t >>> 14)) >>> 0) % (high - low + 1));
}
const whole = (n) => Array.from({ length: n }, () => draw(-4, 4));
const list = (n, f) => Array.from({ length: n }, (_, i) => f(i));
const out = (size, kernel, stride, pad, dilation) => Math.floor((size + pad - dilation * (kernel - 1) - 1) / stride) + 1;

/// Everything of a subject, summed by the page's functions; `subjects`: one an image.
function recomputed(subjects) {
  const s = subjects[0];
  return {
    y: subjects.flatMap((one) => list(one.OC * one.cols, (i) => outputCell(one, Math.floor(i / one.cols), i % one.cols).sum)),
    dx: subjects.flatMap((one) => list(one.x.length, (i) => inputGradient(one, Math.floor(i / (one.H * one.W)), Math.floor(i / one.W) % one.H, i % one.W).sum)),
    dw: list(s.w.length, (i) => weightGradient(s, Math.floor(i / s.depth), i % s.depth).sum),
    db: list(s.OC, (oc) => biasGradient(s, oc).sum),
  };
}

/// The same gradients by their other faces, which take nothing from the patch matrix.
function otherFaces(subjects) {
  const s = subjects[0], own = s.C / s.groups, each = s.OC / s.groups;
  return {
    convolved: subjects.flatMap((one) => list(one.x.length, (i) => inputGradientAsConvolution(one, Math.floor(i / (one.H * one.W)), Math.floor(i / one.W) % one.H, i % one.W).sum)),
    broadcast: subjects.flatMap((one) => list(one.C, (ch) => Array.from(inputGradientByBroadcast(one, ch))).flat()),
    dw: list(s.w.length, (i) => { const oc = Math.floor(i / s.depth), k = i % s.depth; return weightGradientAsConvolution(s, oc, Math.floor(oc / each) * own + Math.floor(k / (s.KH * s.KW)), Math.floor(k / s.KW) % s.KH, k % s.KW).sum; }),
  };
}

/// A layer like those of real networks: any sizes, strides, padding, dilation, groups and number of images.
function drawnLayer() {
  const groups = draw(0, 2) === 0 ? draw(2, 3) : 1, n = draw(1, 3), C = groups * draw(1, 2), OC = groups * draw(1, 3), H = draw(3, 9), W = draw(3, 11);
  const kernel = [draw(1, 4), draw(1, 4)], stride = [draw(1, 3), draw(1, 3)], dilation = [draw(1, 2), draw(1, 2)], pad = draw(0, 1) ? list(4, () => draw(0, 2)) : [0, 0, 0, 0];
  const OH = out(H, kernel[0], stride[0], pad[0] + pad[2], dilation[0]), OW = out(W, kernel[1], stride[1], pad[1] + pad[3], dilation[1]);
  if (OH < 1 || OW < 1) return drawnLayer();
  const image = C * H * W, result = OC * OH * OW, w = whole(OC * (C / groups) * kernel[0] * kernel[1]), b = whole(OC), x = list(n, () => whole(image)), dy = list(n, () => whole(result));
  const zeros = (size) => list(n, () => new Float32Array(size));
  // As trace.js leaves it, with nothing yet where the engine's results go.
  const trace = { images: list(n, () => ({})), layers: [{ name: "drawn", inputs: [0], output: 1, weight: 0, bias: 1, window: { kernel, stride, pad, dilation, groups } }],
    values: [{ shape: [C, H, W], data: x.map((one) => Float32Array.from(one)), gradient: zeros(image) }, { shape: [OC, OH, OW], data: zeros(result), gradient: dy.map((one) => Float32Array.from(one)) }],
    parameters: [{ data: Float32Array.from(w), gradient: null }, { data: Float32Array.from(b), gradient: null }] };
  return { what: `drawn ${JSON.stringify(trace.layers[0].window)}`, question: { shape: [n, C, H, W], outputs: OC, kernel, stride, pad, dilation, groups, x: x.flat(), w, b, dy: dy.flat() },
    compute: () => recomputed(list(n, (i) => realSubject(trace, 0, i))), faces: () => otherFaces(list(n, (i) => realSubject(trace, 0, i))) };
}

/// One place of the sliders of the small example; null where the page says that the window does not fit.
function sliderPlace(settings) {
  const { size, channels, kernel, stride, padding, dilation } = settings, s = smallSubject(settings);
  const question = { shape: [1, channels, size, size], outputs: 2, kernel: [kernel, kernel], stride: [stride, stride], pad: list(4, () => padding), dilation: [dilation, dilation], groups: 1 };
  for (const key of ["x", "w", "b", "dy"]) question[key] = Array.from(s?.[key] ?? []);
  return { what: `small ${JSON.stringify(settings)}`, question, compute: () => s && { y: Array.from(s.y), dx: Array.from(s.dx), dw: Array.from(s.dw), db: Array.from(s.db) }, faces: () => otherFaces([s]) };
}

/// One place of the sliders of "Break it", with whole numbers for the gradient that comes in.
function faultPlace(settings) {
  const { images, size, kernel, stride, padding } = settings, s = faultSetting(settings), dz = list(images, () => whole(s.out * s.out));
  return { what: `fault ${JSON.stringify(settings)}`, setting: s,
    question: { shape: [images, 1, size, size], outputs: 1, kernel: [kernel, kernel], stride: [stride, stride], pad: list(4, () => padding), dilation: [1, 1], groups: 1, x: s.x.flat(), w: s.w, b: [0], dy: dz.flat() },
    compute: () => { const back = faultBackward(s, dz); return { y: list(images, (i) => faultForward(s, i)).flat(), dx: back.dx.flat(), dw: back.dw, db: [dz.flat().reduce((a, v) => a + v, 0)] }; } };
}

/// All choices of {name: [low, high]}.
const places = (ranges) => Object.entries(ranges).reduce((all, [name, [low, high]]) => all.flatMap((one) => list(high - low + 1, (i) => ({ ...one, [name]: low + i }))), [{}]);

const drawn = list(200, drawnLayer);
const small = places({ size: [3, 8], channels: [1, 3], kernel: [1, 4], stride: [1, 3], padding: [0, 2], dilation: [1, 2] }).map(sliderPlace);
const faulty = places({ images: [1, 3], size: [3, 6], kernel: [2, 3], stride: [1, 2], padding: [0, 1] }).map(faultPlace);
const all = [...drawn, ...small, ...faulty];
const run = spawnSync(process.argv[2], { input: JSON.stringify(all.map(({ question }) => question)), maxBuffer: 1 << 28 });
assert.equal(run.status, 0, String(run.stderr));
const answers = JSON.parse(run.stdout);
assert.equal(answers.length, all.length);
let numbers = 0, unfit = 0;
all.forEach(({ what, compute, faces }, i) => {
  const ours = compute();
  if (answers[i] === null || ours === null) { unfit += 1; return assert.equal(ours, answers[i], what); }
  for (const key of ["y", "dx", "dw", "db"]) {
    assert.equal(ours[key].length, answers[i][key].length, `${what}: ${key}`);
    ours[key].forEach((v, at) => { if (!(v === answers[i][key][at])) assert.fail(`${what}: ${key}[${at}] is ${v}, the library's ${answers[i][key][at]}`); });
    numbers += ours[key].length;
  }
  if (!faces) return;
  const other = faces();
  for (const [face, key] of [["convolved", "dx"], ["broadcast", "dx"], ["dw", "dw"]]) {
    assert.equal(other[face].length, answers[i][key].length, `${what}: ${face}`);
    other[face].forEach((v, at) => { if (!(v === answers[i][key][at])) assert.fail(`${what}: ${face}[${at}] is ${v}, the library's ${answers[i][key][at]}`); });
    numbers += other[face].length;
  }
});
assert.ok(unfit > 0 && unfit < small.length / 2, "some slider places do not fit, most do");
console.log(`ok   ${all.length - unfit} convolutions, ${numbers.toLocaleString("en")} numbers, every one the library's; ${unfit} that fit neither`);

// The gradient check: passes without a fault, and with one exactly if the fault changes something.
const kPasses = 1e-6, caughtOf = Object.fromEntries(Object.keys(kFaults).map((key) => [key, 0]));
let worst = 0;
for (const { what, setting: s } of faulty) {
  const right = faultGradients(s), clean = Math.max(...faultCheck(s, right).map((row) => row.worst));
  assert.ok(clean <= kPasses, `${what}: ${clean}`);
  worst = Math.max(worst, clean);
  for (const key of Object.keys(kFaults)) {
    const broken = faultGradients(s, new Set([key])), pairs = [[right.dw, broken.dw], ...right.dx.map((one, i) => [one, broken.dx[i]])];
    faultCheck(s, broken).forEach((row, t) => {
      const changed = pairs[t][0].some((v, i) => v !== pairs[t][1][i]);
      assert.equal(!(row.worst <= kPasses), changed, `${what}: ${key}, ${row.tensor}, ${row.worst}`);
      if (changed) assert.ok(Math.abs(row.analytic - row.numeric) > 0, what);
    });
    caughtOf[key] += pairs.some(([a, b]) => a.some((v, i) => v !== b[i]));
  }
}
for (const [key, caught] of Object.entries(caughtOf)) assert.ok(caught >= faulty.length / 4, `${key} shows in ${caught} settings only`);
console.log(`ok   the gradient check passes ${faulty.length} settings (largest relative error ${worst.toExponential(1)}) and catches ${JSON.stringify(caughtOf)}`);
