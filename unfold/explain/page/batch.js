// Several images in one matrix: the columns of image 0, then those of image 1, and so on. A plane is what one row of the
// matrix holds of one image: `cells` numbers that stay together. The matrix keeps its planes row by row, a tensor
// (images, rows, cells) keeps them image by image; a plain reshape moves none of them, it only counts them anew.
import { agrees } from "./dom.js";
import { poolGradient, poolShare, realPooling, smallPooling, wholeNumbers } from "./pooling.js";
import { columnGradient, columnValue, copiesOf, firstRow, inputGradient, outputCell, realSubject, smallSubject, weightGradient } from "./subject.js";

const kMostBatchProducts = 3e7, kMostBatchColumns = 8000; // of a layer that a page computes and draws as a whole

/// The five places where images and matrix meet. pool: of a pooling layer; inward: from images to the matrix.
export const kBatchTensors = {
  output: { text: "the convolution's output", pool: false, inward: false },
  dy: { text: "dY, back into a matrix", pool: false, inward: true },
  col2im: { text: "col2im: dX of the images", pool: false, inward: false },
  pool: { text: "pooling, forward", pool: true, inward: false },
  unpool: { text: "pooling, backward", pool: true, inward: true },
};

/// Where the plain reshape takes plane {n, row} when it reads the matrix as images.
export function plainOut({ n, row }, rows, images) {
  const plane = row * images + n;
  return { n: Math.floor(plane / rows), row: plane % rows };
}

/// Where it takes it when it reads the images as a matrix: the reverse of plainOut.
export function plainIn({ n, row }, rows, images) {
  const plane = n * rows + row;
  return { n: plane % images, row: Math.floor(plane / images) };
}

/// The images of a small example as subjects: two convolutions or poolings, made up.
export function smallBatch(pool, { images = 2, channels = 2, kernel = 2 } = {}) {
  if (pool) return Array.from({ length: images }, (_, seed) => smallPooling({ size: 4, channels, kernel, stride: kernel === 2 ? 2 : 1, seed }));
  const base = smallSubject({ size: 4, channels, outputs: channels, kernel });
  const each = Array.from({ length: images }, (_, n) => ({ ...base, image: n, images, x: wholeNumbers(base.x.length, 0, 10, n), dy: wholeNumbers(base.dy.length, -3, 7, n + 1) }));
  for (const s of each) {
    s.every = each.map(({ x, dy }) => ({ x, dy }));
    s.y = s.y.map((_, i) => outputCell(s, Math.floor(i / s.cols), i % s.cols).sum);
    s.dx = s.dx.map((_, i) => inputGradient(s, Math.floor(i / (s.H * s.W)), Math.floor(i / s.W) % s.H, i % s.W).sum);
    s.dw = s.dw.map((_, i) => weightGradient(s, Math.floor(i / s.depth), i % s.depth).sum);
  }
  return each;
}

/// All images of a layer of the trace as subjects.
export const realBatch = (trace, pool, key) => trace.images.map((_, n) => (pool ? realPooling : realSubject)(trace, key, n));

/// One of kBatchTensors with the numbers of all images; null if it is too large for a page. `values[n][row * cells + p]` is the
/// number that belongs there; goes(plane) and comes(plane) say where the plain reshape puts a plane and what it finds for one.
export function batchOf(tensor, each) {
  const s = each[0], images = each.length, cells = s.cols, { pool, inward } = kBatchTensors[tensor];
  if (images * cells > kMostBatchColumns || (!pool && s.OC * s.depth * cells * images > kMostBatchProducts)) return null;
  const rows = tensor === "col2im" ? s.rows : s.OC;
  const planes = (f) => each.map((one) => Float64Array.from({ length: rows * cells }, (_, i) => f(one, Math.floor(i / cells), i % cells)));
  const values = tensor === "output" ? planes((one, row, p) => outputCell(one, row, p).sum) : tensor === "col2im" ? planes((one, row, p) => columnGradient(one, row, p).sum)
    : each.map((one) => (inward ? one.dy : one.pooled));
  const b = { tensor, each, s, images, rows, cells, values, inward, pool };
  b.goes = (plane) => (inward ? plainIn : plainOut)(plane, rows, images);
  b.comes = (plane) => (inward ? plainOut : plainIn)(plane, rows, images);
  b.misplaced = ({ n, row }) => { const from = b.comes({ n, row }); return from.n !== n || from.row !== row; };
  /// What stands for plane {n, row} at place p: the right number, or the one the plain reshape finds.
  b.value = (plain, { n, row }, p) => { const from = plain ? b.comes({ n, row }) : { n, row }; return values[from.n][from.row * cells + p]; };
  const plainDy = tensor === "unpool" ? each.map((_, n) => Float32Array.from({ length: rows * cells }, (_, i) => b.value(true, { n, row: Math.floor(i / cells) }, i % cells))) : null;
  /// One pixel of dX (col2im, unpool): {sum, from: [{n, row, p, value}]}, the planes as they are in truth.
  b.pixel = (plain, n, ch, y, x) => {
    const from = copiesOf(s, ch, y, x).map(({ r, c }) => {
      const row = pool ? ch : r, origin = plain ? b.comes({ n, row }) : { n, row };
      return { ...origin, p: c, value: pool ? poolShare(each[n], ch, c, r % s.taps, plain ? plainDy[n] : each[n].dy) : values[origin.n][origin.row * cells + c] };
    });
    return { from, sum: from.reduce((sum, one) => sum + one.value, 0) };
  };
  if (tensor === "col2im" || tensor === "unpool") {
    const all = (plain) => each.map((_, n) => Float64Array.from(s.x, (_, i) => b.pixel(plain, n, Math.floor(i / (s.H * s.W)), Math.floor(i / s.W) % s.H, i % s.W).sum));
    b.dx = { right: all(false), plain: all(true) };
  }
  return b;
}

/// How many numbers of the plain reshape stand where another belongs.
export function misplacedCells(b) {
  let planes = 0;
  for (let n = 0; n < b.images; ++n) for (let row = 0; row < b.rows; ++row) planes += b.misplaced({ n, row }) ? 1 : 0;
  return planes * b.cells;
}

/// What comes of it, against what the layer has (the engine's numbers in a real layer): {what, total, right, plain}, of `total`
/// cells how many differ by either way; null where there is nothing to compare with.
export function batchDifferences(b) {
  const { s, each } = b, found = { total: 0, right: 0, plain: 0 };
  const compare = (right, plain, theirs, size) => {
    found.total += 1;
    found.right += agrees(right, theirs, size) ? 0 : 1;
    found.plain += agrees(plain, theirs, size) ? 0 : 1;
  };
  if (b.dx) {
    if (each.some((one) => !one.dx)) return null;
    each.forEach((one, n) => one.dx.forEach((theirs, i) => {
      const ch = Math.floor(i / (s.H * s.W)), y = Math.floor(i / s.W) % s.H, x = i % s.W;
      compare(b.dx.right[n][i], b.dx.plain[n][i], theirs, (b.pool ? poolGradient : inputGradient)(one, ch, y, x).size);
    }));
    return { what: "dX", ...found };
  }
  if (b.tensor === "dy") {
    const columns = each.map((one) => Float64Array.from({ length: s.rows * s.cols }, (_, i) => columnValue(one, Math.floor(i / s.cols), i % s.cols)));
    for (let row = 0; row < s.OC; ++row) {
      for (let k = 0; k < s.depth; ++k) {
        let right = 0, plain = 0, size = 0;
        for (let n = 0; n < b.images; ++n) {
          for (let p = 0; p < b.cells; ++p) {
            const pixel = columns[n][(firstRow(s, row) + k) * s.cols + p], g = b.value(false, { n, row }, p);
            right += g * pixel;
            plain += b.value(true, { n, row }, p) * pixel;
            size += Math.abs(g * pixel);
          }
        }
        compare(right, plain, s.dw[row * s.depth + k], size);
      }
    }
    return { what: "dW = dY \u00b7 columns\u1d40", ...found };
  }
  each.forEach((one, n) => one.y.forEach((theirs, i) => {
    const row = Math.floor(i / b.cells), p = i % b.cells;
    compare(b.value(false, { n, row }, p), b.value(true, { n, row }, p), theirs, b.pool ? one.magnitude[i] : outputCell(one, row, p).size);
  }));
  return { what: "the output", ...found };
}
