// Back, play, on, and a slider over the steps of a scene.
import { h } from "./dom.js";

/// {element, go(step), stop(), set(steps)}; onStep(step) is called for every step, also from go(). `name(step)` is its text.
export function player(steps, onStep, name = (step) => `${step + 1} of ${steps}`, milliseconds = 350) {
  let at = 0, timer = 0;
  const output = h("output", {});
  const range = h("input", { type: "range", min: 0, max: steps - 1, value: 0, "aria-label": "Step", oninput: () => { stop(); go(Number(range.value)); } });
  const play = h("button", { type: "button", onclick: () => (timer ? stop() : start()) }, "\u25b6 Play");
  function go(step) {
    at = Math.max(0, Math.min(steps - 1, step));
    range.value = at;
    output.textContent = name(at);
    onStep(at);
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "\u25b6 Play";
  }
  function start() {
    if (at === steps - 1) go(0);
    play.textContent = "\u23f8 Pause";
    timer = setInterval(() => (at + 1 < steps ? go(at + 1) : stop()), milliseconds);
  }
  function set(n) {
    stop();
    steps = n;
    range.max = n - 1;
  }
  const element = h("div", { class: "player", role: "group", "aria-label": "Steps" },
    h("button", { type: "button", "aria-label": "Step back", onclick: () => { stop(); go(at - 1); } }, "\u25c0"), play,
    h("button", { type: "button", "aria-label": "Step on", onclick: () => { stop(); go(at + 1); } }, "\u25b6\u2758"), range, output);
  return { element, go, stop, set, step: () => at };
}
