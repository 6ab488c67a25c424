// One convolution with tanh behind it, forward and backward in double, with historical faults to be switched on. Plain
// loops, one channel in and out, for the small examples of "Break it".

/// The faults: what was wrong, where such a thing stood, and, if some settings hide it, what shows it.
export const kFaults = {
  crop: { name: "Padding is cropped off the wrong axes", shownBy: "padding",
    what: "col2im hands its result back as padded[pad:-pad, pad:-pad, :, :]: with the batch and the channels first, these are not height and width. Nothing of the image's border is cut, so dX is too large; here its upper left corner is read as if it were the image." },
  factor: { name: "tanh's factor is missing backward", shownBy: "another input",
    what: "Forward is 1.7159 tanh(z), backward 1 \u2212 tanh\u00b2(z): every gradient is too small by 1.7159." },
  sum: { name: "Gradients are sums, the loss is a mean", shownBy: "more than one image",
    what: "The loss is the mean over the images, the gradient their sum: too large by the number of images. Adam hides it, for it divides by the gradient's size; plain gradient descent does not." },
  mirror: { name: "dW is mirrored", shownBy: "another input",
    what: "The kernel is turned by 180 degrees where it should not be: dW lands at the opposite weight." },
  stride: { name: "The stride is ignored backward", shownBy: "a stride of 2, and room for two windows",
    what: "dX is made as if the window had moved by one pixel at a time: right for stride 1, wrong for any other." },
};
export const kScale = 1.7159;
export const kFaultStep = 1e-5; // of the gradient check

/// A setting of whole and half numbers: {n, size, kernel, stride, padding} with x [n], w, target [n].
export function faultSetting({ images = 2, size = 5, kernel = 3, stride = 1, padding = 0 }) {
  const out = Math.floor((size + 2 * padding - kernel) / stride) + 1;
  if (out < 1) return null;
  const numbers = (n, seed) => Array.from({ length: n }, (_, i) => (((i * 7 + seed * 13 + ((i * i) % 11)) % 9) - 4) / 8);
  return { images, size, kernel, stride, padding, out, x: Array.from({ length: images }, (_, i) => numbers(size * size, i + 1)), w: numbers(kernel * kernel, 5),
    target: Array.from({ length: images }, (_, i) => numbers(out * out, i + 7)) };
}

/// Calls body(pixel, weight, output) for each product of the convolution that lies inside the image.
function eachProduct(s, body, stride = s.stride) {
  for (let o = 0; o < s.out * s.out; ++o) {
    for (let k = 0; k < s.kernel * s.kernel; ++k) {
      const y = Math.floor(o / s.out) * stride - s.padding + Math.floor(k / s.kernel), x = (o % s.out) * stride - s.padding + (k % s.kernel);
      if (y >= 0 && x >= 0 && y < s.size && x < s.size) body(y * s.size + x, k, o);
    }
  }
}

/// z of image i: the convolution.
export function faultForward(s, i, x = s.x, w = s.w) {
  const z = new Array(s.out * s.out).fill(0);
  eachProduct(s, (pixel, k, o) => { z[o] += w[k] * x[i][pixel]; });
  return z;
}

const activation = (z) => kScale * Math.tanh(z);

/// The mean over the images of sum (a - target)^2 / 2, where a = 1.7159 tanh(z).
export function faultLoss(s, x = s.x, w = s.w) {
  let loss = 0;
  for (let i = 0; i < s.images; ++i) faultForward(s, i, x, w).forEach((z, o) => { loss += (activation(z) - s.target[i][o]) ** 2 / 2; });
  return loss / s.images;
}

/// The convolution's backward pass: {dx [n], dw} from dz [n], with the faults whose names are in `on` (a Set).
export function faultBackward(s, dz, on = new Set()) {
  const count = s.kernel * s.kernel, dw = new Array(count).fill(0), stride = on.has("stride") ? 1 : s.stride;
  const dx = dz.map((one, i) => {
    eachProduct(s, (pixel, k, o) => { dw[on.has("mirror") ? count - 1 - k : k] += one[o] * s.x[i][pixel]; });
    const image = new Array(s.size * s.size).fill(0);
    if (!on.has("crop")) {
      eachProduct(s, (pixel, k, o) => { image[pixel] += s.w[k] * one[o]; }, stride);
      return image;
    }
    // The padded image, whose upper left corner is read as if it were the image.
    const wide = s.size + 2 * s.padding;
    eachProduct({ ...s, size: wide, padding: 0 }, (pixel, k, o) => {
      const y = Math.floor(pixel / wide), x = pixel % wide;
      if (y < s.size && x < s.size) image[y * s.size + x] += s.w[k] * one[o];
    }, stride);
    return image;
  });
  return { dx, dw };
}

/// {dx [n], dw} of the loss, with the faults whose names are in `on`.
export function faultGradients(s, on = new Set()) {
  const mean = on.has("sum") ? 1 : 1 / s.images, factor = on.has("factor") ? 1 : kScale;
  const dz = s.x.map((_, i) => faultForward(s, i).map((z, o) => (activation(z) - s.target[i][o]) * factor * (1 - Math.tanh(z) ** 2) * mean));
  return faultBackward(s, dz, on);
}

/// Central differences of the loss against given gradients: by tensor the largest relative error and its cell,
/// {tensor, worst, at, analytic, numeric}.
export function faultCheck(s, gradients, step = kFaultStep) {
  const compare = (tensor, values, analytic, loss) => {
    const largest = Math.max(...analytic.map(Math.abs), 1e-12);
    let row = { tensor, worst: 0, at: 0, analytic: analytic[0], numeric: 0 };
    values.forEach((v, at) => {
      const numeric = (loss(at, v + step) - loss(at, v - step)) / (2 * step), error = Math.abs(numeric - analytic[at]) / Math.max(Math.abs(numeric), Math.abs(analytic[at]), 1e-3 * largest);
      if (at === 0 || !(error <= row.worst)) row = { tensor, worst: error, at, analytic: analytic[at], numeric };
    });
    return row;
  };
  const replaced = (list, at, v) => list.map((old, i) => (i === at ? v : old));
  return [compare("dW", s.w, gradients.dw, (at, v) => faultLoss(s, s.x, replaced(s.w, at, v))),
    ...s.x.map((image, i) => compare(`dX of image ${i}`, image, gradients.dx[i], (at, v) => faultLoss(s, s.x.map((one, j) => (j === i ? replaced(one, at, v) : one)), s.w)))];
}
