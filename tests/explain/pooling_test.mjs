// The page's pooling against PyTorch's recorded float64 values: node pooling_test.mjs POOL2D.safetensors.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { finishPooling, poolDisagreements, poolGradient, poolWindow, smallPooling } from "../../unfold/explain/page/pooling.js";

const bytes = readFileSync(process.argv[2]), length = Number(bytes.readBigUInt64LE()), header = JSON.parse(bytes.subarray(8, 8 + length));
const kRead = { F64: [8, "readDoubleLE"], I64: [8, "readBigInt64LE"], I32: [4, "readInt32LE"] };
function tensor(name) {
  const { dtype, shape, data_offsets: [from] } = header[name], [size, read] = kRead[dtype];
  return Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Number(bytes[read](8 + length + from + i * size)));
}
/// numbers() of tests/oracle/oracle.h: exact in float.
function numbers(count, key) {
  let state = (Math.imul(key, 2654435761) + 1) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return (state >>> 8) / 8388608 - 1;
  });
}
const close = (got, want, what) => assert.ok(Math.abs(got - want) <= 1e-10 * Math.max(1, Math.abs(want)), `${what}: ${got}, PyTorch has ${want}`);

let cells = 0;
function compare(kind) {
  const cases = tensor(`${kind}.cases`), columns = header[`${kind}.cases`].shape[1];
  for (let k = 0; k < header[`${kind}.cases`].shape[0]; ++k) {
    const [N, C, H, W, , KH, KW, SH, SW, PT, PL, , , DH, DW, , flag] = cases.slice(k * columns, (k + 1) * columns);
    const max = kind === "max", name = `${kind}.${k}`, wantY = tensor(`${name}.y`), wantDx = tensor(`${name}.dx`), [, , OH, OW] = header[`${name}.y`].shape;
    let x = numbers(N * C * H * W, (max ? 2000 : 1000) + 2 * k);
    if (max && flag) x = x.map((v) => Math.floor(2 * v));
    const dy = numbers(wantY.length, (max ? 2001 : 1001) + 2 * k), winners = max ? tensor(`${name}.argmax`) : null;
    const part = (list, n) => list.slice((n * list.length) / N, ((n + 1) * list.length) / N);
    for (let n = 0; n < N; ++n) {
      const s = finishPooling({ name, real: true, max, includePad: max || flag !== 0, C, H, W, OH, OW, KH, KW, SH, SW, PT, PL, DH, DW,
        x: part(x, n), dy: part(dy, n), y: part(wantY, n), dx: part(wantDx, n) });
      s.y.forEach((want, i) => close(s.pooled[i], want, `y[${i}] of ${name}`));
      s.dx.forEach((want, i) => close(poolGradient(s, Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W).sum, want, `dx[${i}] of ${name}`));
      if (max) part(winners, n).forEach((want, i) => {
        const tap = poolWindow(s, Math.floor(i / s.cols), i % s.cols)[s.winner[i]];
        assert.equal(tap.y * W + tap.x, want, `winner of window ${i} of ${name}`);
      });
      assert.deepEqual(poolDisagreements(s), { y: [], dx: [] });
      cells += s.y.length + s.dx.length;
    }
  }
}
compare("average");
compare("max");

// One number altered is found, there and nowhere else; NaN is not hidden.
for (const max of [false, true]) {
  const s = smallPooling({ max, channels: 2, kernel: 3, stride: 2, padding: 1 });
  s.y[s.cols + 4] += 0.5;
  s.dx[7] = NaN;
  assert.deepEqual(poolDisagreements(s), { y: [{ ch: 1, r: 1, c: 1 }], dx: [{ ch: 0, r: 1, c: 1 }] });
}

// By hand: windows 2x2 with stride 1 over 3x3; equal largest pixels; a window on the padding alone.
const hand = { name: "hand", real: false, C: 1, H: 3, W: 3, OH: 2, OW: 2, KH: 2, KW: 2, SH: 1, SW: 1, PT: 0, PL: 0, DH: 1, DW: 1, x: [1, 5, 2, 5, 5, 0, 3, 4, 8], dy: [4, 8, 12, 16] };
const gradient = (s) => Array.from({ length: 9 }, (_, i) => poolGradient(s, 0, Math.floor(i / 3), i % 3).sum);
const average = finishPooling({ ...hand, max: false, includePad: true }), most = finishPooling({ ...hand, max: true, includePad: true });
assert.deepEqual([...average.pooled], [4, 3, 4.25, 4.25]);
assert.deepEqual(gradient(average), [1, 3, 2, 4, 10, 6, 3, 7, 4]);
assert.deepEqual([...most.pooled], [5, 5, 5, 8]);
assert.deepEqual([...most.winner], [1, 0, 0, 3]);
assert.deepEqual(gradient(most), [0, 12, 0, 12, 0, 0, 0, 0, 16]);
const outside = smallPooling({ size: 3, kernel: 1, stride: 1, padding: 1, max: true });
assert.equal(outside.winner[0], -1);
assert.equal(outside.pooled[0], 0);
assert.deepEqual([...smallPooling({ size: 3, kernel: 1, stride: 1, padding: 1, includePad: false }).pooled].slice(0, 5), [0, 0, 0, 0, 0]);
console.log(`${cells} cells: all equal`);
