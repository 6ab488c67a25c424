// A matrix drawn on a canvas: colours for values, numbers where there is room, marks above it. Keyboard: arrows
// move a cursor, so every cell can be reached without a pointer.
import { h, show } from "./dom.js";

const kNumbersFrom = 26; // pixels a cell, from which a number fits

function colours() {
  const style = getComputedStyle(document.documentElement);
  const rgb = (name) => style.getPropertyValue(name).split(",").map(Number);
  return { low: rgb("--low"), high: rgb("--high"), zero: rgb("--zero"), ink: style.getPropertyValue("--ink").trim(),
    hatch: style.getPropertyValue("--hatch").trim(), rule: style.getPropertyValue("--rule").trim(),
    mark: style.getPropertyValue("--mark").trim(), mark2: style.getPropertyValue("--mark2").trim() };
}
let palette = null;
// Chromium prints what was drawn for print stroke by stroke, and with a canvas above another that erases the lower one.
function asBitmap(canvas) {
  const g = canvas.getContext("2d");
  g.putImageData(g.getImageData(0, 0, canvas.width, canvas.height), 0, 0);
}
const grids = new Set(); // those on the page, for a change of the colour scheme
for (const query of ["(prefers-color-scheme: dark)", "print"]) {
  matchMedia(query).addEventListener("change", () => {
    palette = null;
    for (const grid of grids) grid.isConnected ? grid.redraw() : grids.delete(grid);
    if (matchMedia("print").matches) for (const canvas of document.querySelectorAll(".grid canvas")) asBitmap(canvas);
  });
}

/// The colour of a value where `most` has the full one, as [red, green, blue].
export function shade(value, most) {
  palette ??= colours();
  const t = most > 0 ? Math.min(1, Math.abs(value) / most) : 0, to = value < 0 ? palette.low : palette.high;
  return palette.zero.map((z, k) => Math.round(z + (to[k] - z) * t));
}

/// Draws {redraw(), isConnected} again whenever the colours change, as long as it is on the page.
export const repaint = (drawing) => grids.add(drawing);

/// options: rows, cols; value(r, c): a number, or null where there is none (drawn hatched: padding, "not yet");
/// cell: pixels a cell (default: by size); title: caption; scale: the value of full colour (default: the largest);
/// bands: [every rows, every cols]: thicker lines; onPoint(r, c) or onPoint(null): pointer or cursor; onPick(r, c): click
/// or Enter.  ->  {element, mark(list of {r, c, kind}; with h and w a frame around so many rows and columns), redraw(), reveal(r, c), title(text)}; kinds of marks: 1 strong,
/// 2 second colour, 3 disagreement (a cross).
export function matrix(options) {
  const { rows, cols, value, onPoint = () => {}, onPick = onPoint } = options;
  const cell = options.cell ?? Math.max(3, Math.min(34, Math.floor(640 / Math.max(rows, cols))));
  const width = cols * cell + 1, height = rows * cell + 1;
  const base = h("canvas", { "aria-hidden": "true" }), above = h("canvas", { "aria-hidden": "true" });
  const box = h("div", { class: "grid", tabindex: 0, role: "group", "aria-label": `${options.title ?? "matrix"}, ${rows} by ${cols}; arrow keys move a cursor` }, base, above);
  const caption = h("figcaption", {});
  const element = h("figure", {}, caption, box);
  let marks = [], cursor = null;

  function context(canvas) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const g = canvas.getContext("2d",);
    g.scale(ratio, ratio);
    return g;
  }
  function redraw() {
    palette ??= colours();
    const g = context(base), p = palette;
    let most = options.scale ?? 0;
    if (!options.scale) for (let r = 0; r < rows; ++r) for (let c = 0; c < cols; ++c) most = Math.max(most, Math.abs(value(r, c) ?? 0));
    g.textAlign = "center";
    g.textBaseline = "middle";
    for (let r = 0; r < rows; ++r) {
      for (let c = 0; c < cols; ++c) {
        const v = value(r, c), colour = v == null ? null : shade(v, most);
        g.fillStyle = colour ? `rgb(${colour})` : p.hatch;
        g.fillRect(c * cell, r * cell, cell, cell);
        if (cell >= kNumbersFrom && v != null) {
          g.fillStyle = colour[0] * 0.3 + colour[1] * 0.59 + colour[2] * 0.11 > 140 ? "#111" : "#fff";
          const text = Number.isInteger(v) ? show(v) : (v < 0 ? "\u2212" : "") + Math.abs(v).toFixed(Math.abs(v) < 9.95 ? 2 : 1);
          g.font = `${Math.min(13, (cell - 4) / (0.56 * text.length))}px system-ui, sans-serif`;
          g.fillText(text, (c + 0.5) * cell, (r + 0.55) * cell);
        }
      }
    }
    g.strokeStyle = p.rule;
    g.lineWidth = 1;
    const lines = (n, every, strong, line) => {
      for (let k = 0; k <= n; ++k) {
        if (cell < 7 && !(strong && k % strong === 0)) continue;
        g.globalAlpha = strong && k % strong === 0 ? 1 : 0.6;
        g.strokeStyle = strong && k % strong === 0 ? p.ink : p.rule;
        g.beginPath();
        line(k * every + 0.5);
        g.stroke();
      }
    };
    lines(rows, cell, options.bands?.[0], (y) => { g.moveTo(0, y); g.lineTo(width, y); });
    lines(cols, cell, options.bands?.[1], (x) => { g.moveTo(x, 0); g.lineTo(x, height); });
    g.globalAlpha = 1;
    drawMarks();
  }
  function drawMarks() {
    palette ??= colours();
    const g = context(above);
    for (const { r, c, h: down, w: across, kind = 1 } of marks) {
      const colour = kind === 2 ? palette.mark2 : palette.mark;
      g.strokeStyle = colour;
      if (down) {
        g.lineWidth = 3;
        g.strokeRect(c * cell + 1.5, r * cell + 1.5, across * cell - 2, down * cell - 2);
        continue;
      }
      if (cell < 9) {
        g.fillStyle = colour;
        g.fillRect(c * cell, r * cell, cell, cell);
        continue;
      }
      g.lineWidth = 2.5;
      g.strokeRect(c * cell + 1.5, r * cell + 1.5, cell - 2, cell - 2);
      if (kind !== 3) continue;
      g.beginPath();
      g.moveTo(c * cell, r * cell);
      g.lineTo((c + 1) * cell, (r + 1) * cell);
      g.moveTo((c + 1) * cell, r * cell);
      g.lineTo(c * cell, (r + 1) * cell);
      g.stroke();
    }
    if (cursor && document.activeElement === box) {
      g.strokeStyle = palette.ink;
      g.lineWidth = 2;
      g.setLineDash([4, 3]);
      g.strokeRect(cursor[1] * cell + 0.5, cursor[0] * cell + 0.5, cell, cell);
    }
  }
  function reveal(r, c) {
    const inside = (at, from, size) => at >= from && at + cell <= from + size;
    if (!inside(c * cell, box.scrollLeft, box.clientWidth)) box.scrollLeft = c * cell - box.clientWidth / 2;
    if (!inside(r * cell, box.scrollTop, box.clientHeight)) box.scrollTop = r * cell - box.clientHeight / 2;
  }
  const place = (event) => {
    const bounds = base.getBoundingClientRect();
    const c = Math.floor((event.clientX - bounds.left) / cell), r = Math.floor((event.clientY - bounds.top) / cell);
    return r >= 0 && r < rows && c >= 0 && c < cols ? [r, c] : null;
  };
  let last = "";
  box.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (String(at) === last) return;
    last = String(at);
    at ? onPoint(...at) : onPoint(null);
  });
  box.addEventListener("pointerleave", () => { last = ""; onPoint(null); });
  box.addEventListener("click", (event) => { const at = place(event); if (at) { cursor = at; onPick(...at); } });
  box.addEventListener("focus", () => { if (box.matches(":focus-visible")) { cursor ??= [0, 0]; drawMarks(); } });
  box.addEventListener("blur", drawMarks);
  box.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Enter" && cursor) return onPick(...cursor);
    if (!move) return;
    event.preventDefault();
    cursor ??= [0, 0];
    cursor = [Math.max(0, Math.min(rows - 1, cursor[0] + move[0])), Math.max(0, Math.min(cols - 1, cursor[1] + move[1]))];
    reveal(...cursor);
    onPoint(...cursor);
    drawMarks();
  });
  const title = (text) => caption.replaceChildren(...[text].flat());
  title(options.title ?? "");
  const handle = { element, redraw, reveal, title, mark: (list) => { marks = list; drawMarks(); }, get isConnected() { return element.isConnected; } };
  repaint(handle);
  redraw();
  return handle;
}
