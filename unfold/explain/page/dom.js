// Elements, numbers as text, and the controls all scenes use.

/// An element: h("p", {class: "soft", onclick: f}, "text", child, ...). Text is never read as HTML.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

/// Replaces what stands in an element.
export function put(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child != null));
  return element;
}

/// A number of four digits that count, with a true minus sign.
export function show(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const text = Number.isInteger(value) && size < 1e6 ? String(size)
    : size !== 0 && (size < 1e-3 || size >= 1e5) ? size.toExponential(3) : size.toPrecision(4);
  return (value < 0 ? "\u2212" : "") + text;
}

/// A whole number with commas.
export const count = (n) => n.toLocaleString("en");

/// A slider with its label and its value; change(value) while it moves.
export function slider(label, low, high, value, change) {
  const output = h("output", {}, String(value));
  const input = h("input", { type: "range", min: low, max: high, value, oninput: () => {
    output.textContent = input.value;
    change(Number(input.value));
  } });
  return h("label", {}, label, input, output);
}

/// A choice among [value, text] pairs.
export function choice(label, options, value, change) {
  const select = h("select", { onchange: () => change(select.value) },
    ...options.map(([key, text]) => h("option", { value: key, selected: String(key) === String(value) }, text)));
  return h("label", {}, label, select);
}

/// A button that is on or off.
export function toggle(label, on, change) {
  const button = h("button", { type: "button", "aria-pressed": String(on), onclick: () => {
    on = !on;
    button.setAttribute("aria-pressed", String(on));
    change(on);
  } }, label);
  return button;
}

/// What the pointer or a step is about, in words; read out by screen readers.
export const says = () => h("p", { class: "says", role: "status", "aria-live": "polite" });

/// Whether the page's number is the engine's: theirs was summed in another order, in float32, so they may differ by
/// some roundings of `size`, the sum of the magnitudes of all terms.
export function agrees(ours, theirs, size) {
  return Math.abs(ours - theirs) <= 2e-5 * size + 1e-9;
}

/// The two numbers and the verdict, as an element.
export function verdict(ours, theirs, size) {
  const good = agrees(ours, theirs, size);
  return h("span", { class: good ? "agrees" : "differs" },
    good ? `engine: ${show(theirs)}, agrees` : `DISAGREES: engine ${theirs}, recomputed ${ours}`);
}
