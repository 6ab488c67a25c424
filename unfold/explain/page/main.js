// The page: who was looked at, the list of scenes, and the scene that is open.
import { h, put } from "./dom.js";
import { probabilities, readTrace } from "./trace.js";
import { unfoldScene } from "./scene_unfold.js";
import { multiplyScene } from "./scene_multiply.js";
import { batchScene } from "./scene_batch.js";
import { poolScene } from "./scene_pool.js";
import { backwardScene } from "./scene_backward.js";
import { netScene } from "./scene_net.js";
import { seenScene } from "./scene_seen.js";
import { breakScene } from "./scene_break.js";
import { costScene } from "./scene_cost.js";
import { predictScene } from "./scene_predict.js";

const kScenes = [unfoldScene, multiplyScene, batchScene, poolScene, backwardScene, netScene, seenScene, breakScene, costScene, predictScene];

/// What the network says of each image.
function answers(trace) {
  return h("ul", { class: "answers" }, ...trace.images.map((image, i) => {
    const p = probabilities(trace, i), best = p.indexOf(Math.max(...p));
    return h("li", {}, image.picture ? h("img", { src: image.picture, alt: "" }) : null,
      h("span", {}, h("bdi", {}, image.name), h("br"), h("b", {}, h("bdi", {}, trace.classes[best])), ` ${(100 * p[best]).toFixed(1)} %`,
        image.class !== best ? [", backward for ", h("bdi", {}, trace.classes[image.class])] : null));
  }));
}

function open(trace, id) {
  const scene = kScenes.find((one) => one.id === id) ?? kScenes[0], root = document.getElementById("scene");
  for (const button of document.querySelectorAll("#scenes button")) {
    button.dataset.scene === scene.id ? button.setAttribute("aria-current", "page") : button.removeAttribute("aria-current");
  }
  put(root);
  scene.build(root, trace);
  const colour = (style, text) => h("span", {}, h("i", { style: `background: ${style}` }), text);
  root.append(h("p", { class: "legend" }, colour("rgb(var(--high))", "above 0"), colour("rgb(var(--zero))", "0"), colour("rgb(var(--low))", "below 0"),
    colour("var(--hatch)", "padding, or not yet"), colour("var(--mark)", "what you point at"), colour("var(--mark2)", "what belongs to it")));
}

function start() {
  const trace = readTrace(document.getElementById("data").textContent);
  document.getElementById("head").append(answers(trace));
  document.getElementById("scenes").append(...kScenes.map((scene) => h("button", { type: "button", "data-scene": scene.id,
    onclick: () => { location.hash = scene.id; } }, scene.title)));
  addEventListener("hashchange", () => { open(trace, location.hash.slice(1)); document.getElementById("scene").focus(); });
  open(trace, location.hash.slice(1));
}

start();
