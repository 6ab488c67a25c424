// Many small pictures in one canvas: a layer's maps, or its filters.
import { h } from "./dom.js";
import { repaint, shade } from "./grid.js";

/// `tiles` pictures of rows x cols, tile k's value(k, r, c), NaN where there is nothing; onPick(k, r, c): the cell, or the
/// tile's first by keyboard. All share one scale.
export function tileStrip({ tiles, rows, cols, value, title, onPick, pixel = Math.max(1, Math.min(6, Math.floor(64 / Math.max(rows, cols)))) }) {
  const kGap = 3, width = cols * pixel + kGap, height = rows * pixel + kGap;
  const canvas = h("canvas", { "aria-hidden": "true" });
  const box = h("div", { class: "strip", tabindex: 0, role: "group", "aria-label": `${title}: ${tiles} pictures; arrow keys and Enter choose one` }, canvas);
  let across = tiles, cursor = 0;
  function redraw() {
    across = Math.max(1, Math.min(tiles, Math.floor((Math.min(box.parentElement?.clientWidth || 900, 1100) - 8) / width)));
    const down = Math.ceil(tiles / across);
    canvas.width = across * width;
    canvas.height = down * height;
    const g = canvas.getContext("2d"), image = g.createImageData(canvas.width, canvas.height);
    let most = 0;
    for (let k = 0; k < tiles; ++k) for (let r = 0; r < rows; ++r) for (let c = 0; c < cols; ++c) most = Math.max(most, Math.abs(value(k, r, c)) || 0);
    for (let k = 0; k < tiles; ++k) {
      const left = (k % across) * width, top = Math.floor(k / across) * height;
      for (let y = 0; y < rows * pixel; ++y) {
        for (let x = 0; x < cols * pixel; ++x) {
          const v = value(k, Math.floor(y / pixel), Math.floor(x / pixel)), at = 4 * ((top + y) * canvas.width + left + x);
          if (!Number.isNaN(v)) image.data.set([...shade(v, most), 255], at);
        }
      }
    }
    g.putImageData(image, 0, 0);
  }
  box.addEventListener("click", (event) => {
    const bounds = canvas.getBoundingClientRect(), x = event.clientX - bounds.left, y = event.clientY - bounds.top;
    const k = Math.floor(y / height) * across + Math.floor(x / width), inTile = (at, step, n) => Math.min(n - 1, Math.floor((at % step) / pixel));
    if (k >= 0 && k < tiles) onPick(cursor = k, inTile(y, height, rows), inTile(x, width, cols));
  });
  box.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across, Enter: 0 }[event.key];
    if (move == null) return;
    event.preventDefault();
    onPick(cursor = Math.max(0, Math.min(tiles - 1, cursor + move)), 0, 0);
  });
  const element = h("figure", {}, title ? h("figcaption", {}, title) : null, box);
  repaint({ redraw, get isConnected() { return box.isConnected; } });
  requestAnimationFrame(redraw); // once it is in the page, and its width is known
  return element;
}
