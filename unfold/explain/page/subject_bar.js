// Where a reader chooses what a scene is about.
import { choice, h, slider } from "./dom.js";
import { cropText, realSubject, smallSubject, subjectChoices } from "./subject.js";

const kPhone = 640; // pixels

// The choice stays from scene to scene.
const chosen = { key: null, image: 0, settings: { size: 6, channels: 1, kernel: 3, stride: 1, padding: 0, dilation: 1 } };

// With --layer it begins there.
function firstChoice(trace) {
  const first = trace.layers.findIndex((layer) => layer.name === trace.first);
  return first < 0 ? "small" : String(first);
}

/// {element, start()}: change(subject) is called by start() and at every change. forward: the scene needs no gradients.
export function subjectBar(trace, change, forward = false) {
  chosen.key ??= firstChoice(trace);
  const choices = subjectChoices(trace, forward), known = () => choices.some(([key]) => key === chosen.key), key = () => (known() ? chosen.key : "small");
  const extra = h("div", { class: "bar" }), note = h("span", { class: "soft", role: "status" });
  const tell = () => {
    const subject = key() === "small" ? smallSubject(chosen.settings) : realSubject(trace, Number(key()), chosen.image);
    note.textContent = subject ? cropText(trace, subject) : "The window is larger than the padded image.";
    if (subject) change(subject);
  };
  function extras() {
    if (key() !== "small") {
      const images = trace.images.map((image, i) => [i, image.name]);
      extra.replaceChildren(...(images.length > 1 ? [choice("image ", images, chosen.image, (i) => { chosen.image = Number(i); tell(); })] : []));
      return;
    }
    const one = (name, low, high) => slider(name, low, high, chosen.settings[name], (v) => { chosen.settings[name] = v; tell(); });
    const sizes = [one("size", 3, 8), one("channels", 1, 3), one("kernel", 1, 4), one("stride", 1, 3), one("padding", 0, 2), one("dilation", 1, 2)];
    // On a phone the numbers come first.
    extra.replaceChildren(...(innerWidth < kPhone ? [h("details", {}, h("summary", {}, "Its sizes"), h("div", { class: "bar" }, ...sizes))] : sizes));
  }
  const element = h("div", { class: "bar" },
    choice("Show ", choices, key(), (one) => { chosen.key = one; extras(); tell(); }), extra, note);
  extras();
  return { element, start: tell };
}
