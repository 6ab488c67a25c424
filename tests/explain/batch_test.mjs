// The page's two ways between a matrix of several images and the images, against reshapes of flat memory: node batch_test.mjs
import assert from "node:assert/strict";
import { batchDifferences, batchOf, kBatchTensors, misplacedCells, plainIn, plainOut, smallBatch } from "../../unfold/explain/page/batch.js";

// By hand: two images, two rows. In memory row 0 of image 0, row 0 of image 1, row 1 of image 0, row 1 of image 1.
assert.deepEqual(plainOut({ n: 1, row: 0 }, 2, 2), { n: 0, row: 1 });
assert.deepEqual(plainOut({ n: 0, row: 1 }, 2, 2), { n: 1, row: 0 });
assert.deepEqual(plainOut({ n: 1, row: 1 }, 2, 2), { n: 1, row: 1 });

/// The memory of a matrix (rows, images * cells), or of a tensor (images, rows, cells), of value(n, row, p).
const matrixMemory = (N, R, P, value) => Array.from({ length: N * R * P }, (_, i) => value(Math.floor((i % (N * P)) / P), Math.floor(i / (N * P)), i % P));
const imageMemory = (N, R, P, value) => Array.from({ length: N * R * P }, (_, i) => value(Math.floor(i / (R * P)), Math.floor(i / P) % R, i % P));
/// col2im of one image's columns (C*KH*KW, OH*OW), by adding every entry to its pixel.
function col2im(s, columns) {
  const dx = new Float64Array(s.C * s.H * s.W), taps = s.KH * s.KW;
  columns.forEach((value, i) => {
    const r = Math.floor(i / s.cols), c = i % s.cols, y = Math.floor(c / s.OW) * s.SH - s.PT + Math.floor((r % taps) / s.KW), x = (c % s.OW) * s.SW - s.PL + (r % s.KW);
    if (y >= 0 && x >= 0 && y < s.H && x < s.W) dx[(Math.floor(r / taps) * s.H + y) * s.W + x] += value;
  });
  return dx;
}
const repeat = (list, cells, times) => Array.from({ length: list.length * times }, (_, i) => list[Math.floor(i / cells / times) * cells + (i % cells)]);

let cells = 0;
for (const [tensor, { pool, inward }] of Object.entries(kBatchTensors)) {
  for (const images of [1, 2, 3]) for (const channels of [1, 2, 3]) for (const kernel of [1, 2, 3]) {
    const name = `${tensor}, ${images} images, ${channels} channels, kernel ${kernel}`, b = batchOf(tensor, smallBatch(pool, { images, channels, kernel })), { s, rows, cells: P } = b;
    const own = (n, row, p) => b.values[n][row * P + p], matrix = matrixMemory(images, rows, P, own), tensors = imageMemory(images, rows, P, own);
    // The plain reshape: one memory read as if it were the other's.
    const read = inward ? (n, row, p) => tensors[row * images * P + n * P + p] : (n, row, p) => matrix[(n * rows + row) * P + p];
    let moved = 0;
    for (let n = 0; n < images; ++n) for (let row = 0; row < rows; ++row) for (let p = 0; p < P; ++p, ++cells) {
      assert.equal(b.value(true, { n, row }, p), read(n, row, p), name);
      assert.equal(b.value(false, { n, row }, p), own(n, row, p), name);
      assert.deepEqual(b.comes(b.goes({ n, row })), { n, row }, name);
      assert.deepEqual(plainIn(plainOut({ n, row }, rows, images), rows, images), { n, row }, name);
      moved += b.misplaced({ n, row }) ? 1 : 0;
    }
    assert.equal(misplacedCells(b), moved, name);
    assert.equal(moved > 0, images > 1 && rows > 1, name);
    if (b.dx) {
      const planes = (value, n) => Array.from({ length: rows * P }, (_, i) => value(n, Math.floor(i / P), i % P));
      const fold = (value, n) => col2im(s, pool ? repeat(planes(value, n).map((g) => g / s.taps), P, s.taps) : planes(value, n));
      for (let n = 0; n < images; ++n) {
        assert.deepEqual(b.dx.right[n], fold(own, n), name);
        assert.deepEqual(b.dx.plain[n], fold(read, n), name);
      }
      // The article's pooling backward: the plain reshape, col2im, and its planes turned round at the end: right all the same.
      if (pool) {
        const folded = Array.from({ length: images }, (_, n) => [...fold(read, n)]), each = s.H * s.W;
        const turned = Array.from({ length: channels }, (_, ch) => folded.map((dx) => dx.slice(ch * each, (ch + 1) * each))).flat(2);
        assert.deepEqual(turned, b.dx.right.flatMap((dx) => [...dx]), name);
      }
    }
    const found = batchDifferences(b);
    assert.ok(found.total > 0, name);
    assert.equal(found.right, 0, name);
    assert.equal(found.plain > 0, moved > 0, name);
  }
}
console.log(`${cells} cells: all equal`);
