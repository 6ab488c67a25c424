// What a scene shows: one convolution with its numbers, of the real network or made up small. The plain loops here
// are the page's own; what the engine computed is only compared with them.

/// The convolutions of the network as [key, text] for a choice, the small example first. A compact page has windows of
/// some, for what goes `forward` only.
export function subjectChoices(trace, forward = false) {
  const there = (i) => !trace.compact || (forward && trace.crops.some((crop) => crop.layer === i));
  const real = trace.layers.map((layer, i) => [String(i), layer]).filter(([key, layer]) => layer.type === "Conv2d" && there(Number(key)));
  return [["small", "a small example"], ...real.map(([key, layer]) => [key, `${layer.name} of ${trace.model}`])];
}

/// A window of a layer of a compact page, as a convolution of its own: some filters, what they see, padding as zeros.
function croppedSubject(trace, key, image) {
  const layer = trace.layers[key], crop = trace.crops.find((one) => one.layer === key), w = layer.window;
  return finish({ name: layer.name, real: true, crop, image, images: trace.images.length, layer,
    C: crop.channels, H: crop.height, W: crop.width, OC: crop.filters.length, OH: crop.output.height, OW: crop.output.width,
    KH: w.kernel[0], KW: w.kernel[1], SH: w.stride[0], SW: w.stride[1], PT: 0, PL: 0, DH: w.dilation[0], DW: w.dilation[1], groups: 1,
    x: crop.x[image], y: crop.y[image], w: crop.w, b: crop.b, every: [] });
}

/// Where a window lies, in words; nothing for what is whole.
export function cropText(trace, s) {
  if (!s.crop) return "";
  const { top, left, height, width, channel, channels, filters, output } = s.crop, [C, H, W] = trace.values[s.layer.inputs[0]].shape, [OC, OH, OW] = trace.values[s.layer.output].shape;
  const few = channels < C ? `, channels ${channel} to ${channel + channels - 1}` : "";
  return `A window of the layer, with its own numbers: rows ${top} to ${top + height - 1} and columns ${left} to ${left + width - 1} of ${C} \u00d7 ${H} \u00d7 ${W}${few} (outside it is padding, 0); `
    + `filters ${filters.join(", ")} of ${OC}, here 0 to ${filters.length - 1}; outputs ${output.top} to ${output.top + output.height - 1} by ${output.left} to ${output.left + output.width - 1} of ${OH} \u00d7 ${OW}, where the layer is strongest.`;
}

/// One layer of the trace, one image of it. y, dy, dx, dw, db are the engine's.
export function realSubject(trace, key, image) {
  if (trace.compact) return croppedSubject(trace, key, image);
  const layer = trace.layers[key], w = layer.window, input = trace.values[layer.inputs[0]], output = trace.values[layer.output];
  const weight = trace.parameters[layer.weight], bias = layer.bias >= 0 ? trace.parameters[layer.bias] : null;
  const [C, H, W] = input.shape, [OC, OH, OW] = output.shape;
  return finish({ name: layer.name, real: true, image, images: trace.images.length, layer,
    C, H, W, OC, OH, OW, KH: w.kernel[0], KW: w.kernel[1], SH: w.stride[0], SW: w.stride[1], PT: w.pad[0], PL: w.pad[1],
    DH: w.dilation[0], DW: w.dilation[1], groups: w.groups,
    x: input.data[image], y: output.data[image], dy: output.gradient[image], dx: input.gradient[image],
    w: weight.data, b: bias?.data ?? new Float32Array(OC), dw: weight.gradient, db: bias?.gradient ?? null,
    every: trace.images.map((_, i) => ({ x: input.data[i], dy: output.gradient[i] })) });
}

/// A made-up layer of small whole numbers, the same for the same settings; y and the gradients are the page's own.
/// settings: size, channels, kernel, stride, padding, dilation (whole numbers). null if the window does not fit.
export function smallSubject({ size = 6, channels = 1, outputs = 2, kernel = 3, stride = 1, padding = 0, dilation = 1 } = {}) {
  const out = Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
  if (out < 1) return null;
  const whole = (n, from, spread, seed) => Float32Array.from({ length: n }, (_, i) => from + ((i * 7 + seed * 5 + ((i * i) % 11)) % spread));
  const s = finish({ name: "small example", real: false, image: 0, images: 1, C: channels, H: size, W: size, OC: outputs, OH: out, OW: out,
    KH: kernel, KW: kernel, SH: stride, SW: stride, PT: padding, PL: padding, DH: dilation, DW: dilation, groups: 1,
    x: Float32Array.from({ length: channels * size * size }, (_, i) => (i % (size * size)) + 1 + 100 * Math.floor(i / (size * size))),
    w: whole(outputs * channels * kernel * kernel, -2, 5, 1), b: whole(outputs, -1, 3, 2), dy: whole(outputs * out * out, -3, 7, 3) });
  s.every = [{ x: s.x, dy: s.dy }];
  s.y = Float32Array.from({ length: s.OC * s.cols }, (_, i) => outputCell(s, Math.floor(i / s.cols), i % s.cols).sum);
  s.dx = Float32Array.from({ length: s.x.length }, (_, i) => inputGradient(s, Math.floor(i / (s.H * s.W)), Math.floor(i / s.W) % s.H, i % s.W).sum);
  s.dw = Float32Array.from({ length: s.w.length }, (_, i) => weightGradient(s, Math.floor(i / s.depth), i % s.depth).sum);
  s.db = Float32Array.from({ length: s.OC }, (_, oc) => biasGradient(s, oc).sum);
  return s;
}

/// Adds what follows from the sizes: depth (rows a filter sees), rows and cols of the patch matrix, names.
function finish(s) {
  s.depth = (s.C / s.groups) * s.KH * s.KW;
  s.rows = s.C * s.KH * s.KW;
  s.cols = s.OH * s.OW;
  return s;
}

/// Where row r, column c of the patch matrix comes from: {ch, kh, kw, oh, ow, y, x, inside}.
export function placeOf(s, r, c) {
  const ch = Math.floor(r / (s.KH * s.KW)), kh = Math.floor(r / s.KW) % s.KH, kw = r % s.KW;
  const oh = Math.floor(c / s.OW), ow = c % s.OW;
  const y = oh * s.SH - s.PT + kh * s.DH, x = ow * s.SW - s.PL + kw * s.DW;
  return { ch, kh, kw, oh, ow, y, x, inside: y >= 0 && y < s.H && x >= 0 && x < s.W };
}

/// The number there, from the image `x` (default: the subject's); 0 on the padding.
export function columnValue(s, r, c, x = s.x) {
  const p = placeOf(s, r, c);
  return p.inside ? x[(p.ch * s.H + p.y) * s.W + p.x] : 0;
}

/// All copies of one pixel in the patch matrix: [{r, c}].
export function copiesOf(s, ch, y, x) {
  const copies = [];
  for (let kh = 0; kh < s.KH; ++kh) {
    for (let kw = 0; kw < s.KW; ++kw) {
      const oy = y + s.PT - kh * s.DH, ox = x + s.PL - kw * s.DW;
      if (oy % s.SH !== 0 || ox % s.SW !== 0) continue;
      const oh = oy / s.SH, ow = ox / s.SW;
      if (oh >= 0 && oh < s.OH && ow >= 0 && ow < s.OW) copies.push({ r: (ch * s.KH + kh) * s.KW + kw, c: oh * s.OW + ow });
    }
  }
  return copies;
}

/// The first row of the patch matrix that output channel oc sees: 0 without groups.
export const firstRow = (s, oc) => Math.floor(oc / (s.OC / s.groups)) * s.depth;

/// A sum term by term: terms(k) -> [a, b], the products a * b. {sum, size: sum of magnitudes, terms: [[a, b]]}.
function dot(n, term, start = 0) {
  let sum = start, size = Math.abs(start);
  const terms = [];
  for (let k = 0; k < n; ++k) {
    const [a, b] = term(k);
    terms.push([a, b]);
    sum += a * b;
    size += Math.abs(a * b);
  }
  return { sum, size, terms };
}

/// y[oc][c] = b[oc] + sum over rows of w * columns.
export function outputCell(s, oc, c) {
  const first = firstRow(s, oc);
  return dot(s.depth, (k) => [s.w[oc * s.depth + k], columnValue(s, first + k, c)], s.b[oc]);
}

/// (W^T dY)[r][c]: a sum over the output channels of r's group.
export function columnGradient(s, r, c) {
  const group = Math.floor(r / s.depth), each = s.OC / s.groups;
  return dot(each, (k) => [s.w[(group * each + k) * s.depth + r - group * s.depth], s.dy[(group * each + k) * s.cols + c]]);
}

/// dX of one pixel: the column gradients of all its copies, added up. {sum, size, copies: [{r, c, value}]}.
export function inputGradient(s, ch, y, x) {
  const copies = copiesOf(s, ch, y, x).map(({ r, c }) => {
    const g = columnGradient(s, r, c);
    return { r, c, value: g.sum, size: g.size };
  });
  return { copies, sum: copies.reduce((a, g) => a + g.value, 0), size: copies.reduce((a, g) => a + g.size, 0) };
}

/// dY of filter oc as the input of a convolution: rows and columns of nothing (null) between its numbers where the window
/// steps, and around them, so that the turned kernel at (y, x) meets every window that covers pixel (y, x).
export function spreadGradient(s, oc, r, c) {
  const y = r - (s.DH * (s.KH - 1) - s.PT), x = c - (s.DW * (s.KW - 1) - s.PL);
  if (y % s.SH !== 0 || x % s.SW !== 0) return null;
  const oh = y / s.SH, ow = x / s.SW;
  return oh >= 0 && oh < s.OH && ow >= 0 && ow < s.OW ? s.dy[(oc * s.OH + oh) * s.OW + ow] : null;
}

/// dX of one pixel a second way: the spread dY under the kernel turned by 180 degrees. {sum, size, terms}.
export function inputGradientAsConvolution(s, ch, y, x) {
  const each = s.OC / s.groups, own = s.C / s.groups, group = Math.floor(ch / own), pairs = [];
  for (let oc = group * each; oc < (group + 1) * each; ++oc) {
    for (let kh = 0; kh < s.KH; ++kh) {
      for (let kw = 0; kw < s.KW; ++kw) {
        const turned = s.w[((oc * own + (ch % own)) * s.KH + s.KH - 1 - kh) * s.KW + s.KW - 1 - kw];
        const error = spreadGradient(s, oc, y + kh * s.DH, x + kw * s.DW);
        if (error != null) pairs.push([turned, error]);
      }
    }
  }
  return dot(pairs.length, (k) => pairs[k]);
}

/// dX of a whole channel a third way: each error is broadcast to its window, times the weight over each pixel.
export function inputGradientByBroadcast(s, ch) {
  const each = s.OC / s.groups, own = s.C / s.groups, group = Math.floor(ch / own), dx = new Float64Array(s.H * s.W);
  for (let oc = group * each; oc < (group + 1) * each; ++oc) {
    for (let oh = 0; oh < s.OH; ++oh) {
      for (let ow = 0; ow < s.OW; ++ow) {
        for (let kh = 0; kh < s.KH; ++kh) {
          for (let kw = 0; kw < s.KW; ++kw) {
            const y = oh * s.SH - s.PT + kh * s.DH, x = ow * s.SW - s.PL + kw * s.DW;
            if (y < 0 || y >= s.H || x < 0 || x >= s.W) continue;
            dx[y * s.W + x] += s.w[((oc * own + (ch % own)) * s.KH + kh) * s.KW + kw] * s.dy[(oc * s.OH + oh) * s.OW + ow];
          }
        }
      }
    }
  }
  return dx;
}

/// dW of one weight a second way: the padded image under dY, which steps by the dilation and is spread by the stride.
/// {sum, size, terms}.
export function weightGradientAsConvolution(s, oc, ch, kh, kw) {
  const pairs = [];
  for (const { x: image, dy } of s.every) {
    for (let oh = 0; oh < s.OH; ++oh) {
      for (let ow = 0; ow < s.OW; ++ow) {
        const y = kh * s.DH - s.PT + oh * s.SH, x = kw * s.DW - s.PL + ow * s.SW;
        if (y >= 0 && y < s.H && x >= 0 && x < s.W) pairs.push([image[(ch * s.H + y) * s.W + x], dy[(oc * s.OH + oh) * s.OW + ow]]);
      }
    }
  }
  return dot(pairs.length, (k) => pairs[k]);
}

/// dW[oc][k] = sum over images and places of dY * columns.
export function weightGradient(s, oc, k) {
  const r = firstRow(s, oc) + k;
  return dot(s.cols * s.every.length, (i) => {
    const one = s.every[Math.floor(i / s.cols)], c = i % s.cols;
    return [one.dy[oc * s.cols + c], columnValue(s, r, c, one.x)];
  });
}

/// db[oc] = sum over images and places of dY.
export function biasGradient(s, oc) {
  return dot(s.cols * s.every.length, (i) => [s.every[Math.floor(i / s.cols)].dy[oc * s.cols + (i % s.cols)], 1]);
}
