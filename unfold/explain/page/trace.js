// What the program wrote into the page, with its floats unpacked when they are first wanted.

/// A packed text of float32 as numbers; or, of what is only shown, {scale, bytes}: signed bytes, -128 for NaN.
export function floats(packed) {
  const small = typeof packed !== "string", bytes = atob(small ? packed.bytes : packed), to = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; ++i) to[i] = bytes.charCodeAt(i);
  return small ? Float32Array.from(new Int8Array(to.buffer), (b) => (b === -128 ? NaN : b * packed.scale)) : new Float32Array(to.buffer);
}

/// Replaces packed texts by getters that unpack once.
function lazily(object, names) {
  for (const name of names.filter((one) => one in object)) {
    const text = object[name];
    let array = null;
    Object.defineProperty(object, name, { get: () => (array ??= Array.isArray(text) ? text.map(floats) : floats(text)) });
  }
}

/// The JSON of docs/formats.md ("the explain page"), its numbers as Float32Array: values[v].data[image], .gradient[image];
/// parameters[p].data, .gradient, .m, .v, .after. In a compact page values[v].maps.data[image], and crops[k].x[image], .y[image],
/// .w, .b.
export function readTrace(json) {
  const trace = JSON.parse(json);
  for (const value of trace.values) {
    lazily(value, ["data", "gradient"]);
    if (value.maps) lazily(value.maps, ["data"]);
  }
  for (const crop of trace.crops ?? []) lazily(crop, ["x", "y", "w", "b"]);
  for (const parameter of trace.parameters) lazily(parameter, ["data", "gradient", "m", "v", "after"]);
  return trace;
}

/// Softmax of the network's output for one image.
export function probabilities(trace, image) {
  const logits = trace.values[trace.layers.at(-1).output].data[image], most = Math.max(...logits);
  const p = Array.from(logits, (x) => Math.exp(x - most)), sum = p.reduce((a, b) => a + b, 0);
  return p.map((x) => x / sum);
}
