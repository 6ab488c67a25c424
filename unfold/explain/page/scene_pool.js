// Pool: average and max pooling by way of the patch matrix, forward and backward.
import { choice, count, h, put, says, show, slider, toggle, verdict } from "./dom.js";
import { matrix } from "./grid.js";
import { player } from "./player.js";
import { poolDisagreements, poolGradient, poolShare, poolWindow, poolingChoices, realPooling, smallPooling } from "./pooling.js";
import { columnCell, columnsGrid, imageGrid, outputGrid } from "./subject_grids.js";

const poolChosen = { key: "small", image: 0, settings: { max: false, size: 6, channels: 1, kernel: 2, stride: 2, padding: 0, includePad: true } };

export const poolScene = {
  id: "pool",
  title: "Pool",
  build(root, trace) {
    const body = h("div"), note = h("span", { class: "soft", role: "status" }), extra = h("span", { class: "bar" });
    const set = poolChosen.settings;
    function tell() {
      const s = poolChosen.key === "small" ? smallPooling(set) : realPooling(trace, Number(poolChosen.key), poolChosen.image);
      note.textContent = s ? "" : "The window is larger than the padded image.";
      if (s) put(body, ...poolBody(s));
    }
    function extras() {
      if (poolChosen.key !== "small") {
        const images = trace.images.map((image, i) => [i, image.name]);
        return put(extra, images.length > 1 ? choice("image ", images, poolChosen.image, (i) => { poolChosen.image = Number(i); tell(); }) : null);
      }
      const one = (name, low, high) => slider(name, low, high, set[name], (v) => { set[name] = v; tell(); });
      put(extra, choice("pooling ", [["average", "average"], ["max", "max"]], set.max ? "max" : "average", (v) => { set.max = v === "max"; extras(); tell(); }),
        one("size", 3, 8), one("channels", 1, 3), one("kernel", 1, 4), one("stride", 1, 3), one("padding", 0, 2),
        set.max ? null : toggle("count padding in the mean", set.includePad, (on) => { set.includePad = on; tell(); }));
    }
    root.append(h("h2", {}, "Pool: the window without weights"),
      h("p", {}, "Pooling cuts the same patches out as a convolution, but each channel stays by itself: the patch becomes its mean or its largest number. On the way back the gradient is shared out evenly, or goes to the winner alone. Point at a pixel, a window or an output."),
      h("div", { class: "bar" }, choice("Show ", poolingChoices(trace), poolChosen.key, (key) => { poolChosen.key = key; extras(); tell(); }), extra, note), body);
    extras();
    tell();
  },
};

function poolBody(s) {
  const words = says(), wrong = s.real ? poolDisagreements(s) : { y: [], dx: [] }, P = s.cols;
  let ch = wrong.y[0]?.ch ?? wrong.dx[0]?.ch ?? 0, filled = P, ready = false;
  let image, output, winners, dy, dx;
  const pictures = h("div", { class: "row" }), back = h("div", { class: "row" });
  const at = (c) => ({ r: Math.floor(c / s.OW), c: c % s.OW }), row = (c) => ch * P + c;
  const crosses = (list) => list.filter((cell) => cell.ch === ch).map(({ r, c }) => ({ r, c, kind: 3 }));
  const outMarks = (list) => output.mark([...crosses(wrong.y), ...list]), dxMarks = (list) => dx.mark([...crosses(wrong.dx), ...list]);
  const name = s.max ? "max" : "mean", gradient = new Float64Array(s.x.length);
  let padded = false;
  for (let c = 0; c < P; ++c) padded ||= poolWindow(s, 0, c).some((tap) => !tap.inside);

  const columns = columnsGrid(s, { title: `columns = im2col(x): ${s.C > 1 ? `${s.C} blocks of ` : ""}${s.taps} rows, ${count(P)} windows`, onPoint: entry,
    value: (r, c) => { const tap = poolWindow(s, Math.floor(r / s.taps), c)[r % s.taps]; return tap.inside ? tap.value : s.max || !s.includePad ? null : 0; } });
  const pooled = matrix({ rows: s.C, cols: P, cell: columnCell(s), bands: [0, s.OW], title: `${name} of each block: (C, OH\u00b7OW) = (${s.C}, ${count(P)})`,
    value: (r, c) => (s.real || c < filled ? s.pooled[r * P + c] : null), onPoint: (r, c) => row_(r, c) });
  const shares = s.max ? null : matrix({ rows: s.C, cols: P, cell: columnCell(s), bands: [0, s.OW], title: `dY / ${s.includePad ? s.taps : "pixels counted"}`,
    value: (r, c) => poolShare(s, r, c, 0), onPoint: (r, c) => row_(r, c) });
  const gradients = columnsGrid(s, { title: s.max ? "dColumns: dY in the winner's row, 0 in the others" : `dColumns: each row repeated ${s.taps} times`, onPoint: entry,
    value: (r, c) => (s.real || c < filled ? poolShare(s, Math.floor(r / s.taps), c, r % s.taps) : null) });

  /// Everything that belongs to window c of this channel; `tap` is pointed at.
  function window_(c, tap = -1) {
    const taps = poolWindow(s, ch, c), i = row(c), list = taps.filter((t) => t.inside).map((t) => ({ r: t.y, c: t.x, k: t.k }));
    const kind = (k) => (tap >= 0 ? (k === tap ? 1 : 2) : s.max && k !== s.winner[i] ? 2 : 1);
    const cells = list.map((t) => ({ ...t, kind: kind(t.k) })), column = taps.map(({ k }) => ({ r: ch * s.taps + k, c, kind: kind(k) }));
    image.mark(cells);
    columns.mark(column);
    columns.reveal(ch * s.taps, c);
    pooled.mark([{ r: ch, c }]);
    outMarks([at(c)]);
    winners?.mark([at(c)]);
    dy.mark([at(c)]);
    shares?.mark([{ r: ch, c }]);
    gradients.mark(column);
    gradients.reveal(ch * s.taps, c);
    dxMarks(s.max ? cells.filter((t) => t.k === s.winner[i]) : cells);
    tellWindow(c, taps.filter((t) => t.inside), tap);
  }
  function tellWindow(c, taps, tap) {
    const i = row(c), place = `(${Math.floor(c / s.OW)}, ${c % s.OW})`, g = s.dy[i], few = taps.length <= 9, win = taps.find((t) => t.k === s.winner[i]);
    const engine = s.real ? [" The output: ", verdict(s.pooled[i], s.y[i], s.magnitude[i])] : [];
    const numbers = few ? taps.map((t) => show(t.value)) : [`${taps.length} pixels`];
    if (!win) return put(words, `Window ${c} lies on the padding alone: output ${place} is 0, and nothing goes back.`, ...engine);
    if (!s.max) {
      const zeros = s.includePad && taps.length < s.taps ? `, with ${s.taps - taps.length} zeros of the padding counted` : "";
      return put(words, `Output ${place} is (${numbers.join(" + ")}) / ${s.divisor[i]} = ${show(s.pooled[i])}${zeros}.`,
        ` Back: dY there is ${show(g)}, so each of these pixels gets ${show(g)} / ${s.divisor[i]} = ${show(poolShare(s, ch, c, 0))}.`, ...engine);
    }
    const ties = taps.filter((t) => t.value === win.value).length;
    put(words, `Output ${place} is the largest of ${numbers.join(", ")}: ${show(win.value)}, at tap ${win.k}, pixel (${win.y}, ${win.x}).`,
      ties > 1 ? ` ${ties} are equal: the first in window order wins.` : "", tap >= 0 && tap !== win.k ? ` Tap ${tap} lost and gets nothing.` : "",
      ` Back: all of dY, ${show(g)}, goes to this pixel alone.`, ...engine);
  }
  function pixel(y, x) {
    if (y == null || y < 0 || x < 0 || y >= s.H || x >= s.W) return;
    const cell = poolGradient(s, ch, y, x), i = (ch * s.H + y) * s.W + x, copies = cell.windows.map(({ k, c }) => ({ r: ch * s.taps + k, c }));
    const outs = cell.windows.map(({ c }) => ({ ...at(c), kind: 2 })), line = cell.windows.map(({ c }) => ({ r: ch, c, kind: 2 }));
    image.mark([{ r: y, c: x }]);
    dxMarks([{ r: y, c: x }]);
    for (const grid of [columns, gradients]) { grid.mark(copies); if (copies.length) grid.reveal(copies[0].r, copies[0].c); }
    for (const grid of [pooled, shares]) grid?.mark(line);
    for (const grid of [winners, dy]) grid?.mark(outs);
    outMarks(outs);
    const won = cell.windows.filter(({ c, k }) => s.winner[row(c)] === k).length, n = cell.windows.length;
    put(words, `Pixel (${y}, ${x}) is ${show(s.x[i])}. `, n === 0 ? "No window covers it, so its gradient is 0." : `${n} ${n === 1 ? "window covers" : "windows cover"} it${s.max ? `; it wins ${won}` : ""}. dX there: ${cell.windows.map((w) => show(w.value)).join(" + ")}${n > 1 ? ` = ${show(cell.sum)}` : ""}.`,
      ...(s.real && s.dx ? [" ", verdict(cell.sum, s.dx[i], cell.size)] : []));
  }
  function entry(r, c) {
    if (r == null) return;
    channel(Math.floor(r / s.taps));
    window_(c, r % s.taps);
  }
  function row_(r, c) {
    if (r == null) return;
    channel(r);
    window_(c);
  }
  function channel(next) {
    if (next === ch) return;
    ch = next;
    draw();
    if (pick) pick.lastChild.value = ch;
  }
  /// dX of this channel as the windows before `filled` leave it; all of them: the engine's.
  function addUp() {
    for (let i = 0, at = ch * s.H * s.W; i < s.H * s.W; ++i, ++at) {
      gradient[at] = filled === P && s.dx ? s.dx[at] : poolGradient(s, ch, Math.floor(i / s.W), i % s.W).windows.reduce((sum, w) => sum + (w.c < filled ? w.value : 0), 0);
    }
  }
  function draw() {
    const of = (text) => (s.C > 1 ? `${text}, channel ${ch}` : text), onPoint = (r, c) => { if (r != null) window_(r * s.OW + c); };
    const cell = s.real ? Math.max(4, Math.min(22, Math.floor(300 / s.W))) : 34;
    addUp();
    image = imageGrid(s, ch, { title: of("image"), onPoint: pixel, cell });
    output = outputGrid(s, ch, s.y, { title: of("output"), onPoint, value: (r, c) => (r * s.OW + c < filled ? s.y[row(r * s.OW + c)] : null) });
    winners = s.max ? outputGrid(s, ch, s.y, { title: "which tap won", onPoint, value: (r, c) => { const k = s.winner[row(r * s.OW + c)]; return k < 0 || r * s.OW + c >= filled ? null : k; } }) : null;
    dy = outputGrid(s, ch, s.dy, { title: of("dY"), onPoint });
    dx = imageGrid(s, ch, { title: of("dX = col2im(dColumns)"), onPoint: pixel, values: gradient, cell, scale: Math.max(1e-30, ...(s.dx ?? gradient).subarray(ch * s.H * s.W, (ch + 1) * s.H * s.W).map(Math.abs)) });
    put(pictures, image.element, output.element, winners?.element);
    put(back, dy.element, dx.element);
    outMarks([]);
    dxMarks([]);
  }
  const pick = s.C > 1 ? choice("channel ", Array.from({ length: s.C }, (_, k) => [k, k]), ch, (k) => { ch = Number(k); draw(); }) : null;
  draw();
  const steps = player(P, (c) => {
    if (!ready) return;
    const before = filled;
    filled = s.real ? (Math.floor(c / s.OW) + 1) * s.OW : c + 1; // the pictures of a real layer grow row by row, its large matrices stay
    if (filled !== before) {
      addUp();
      for (const grid of s.real ? [output, winners, dx] : [pooled, output, winners, gradients, dx]) grid?.redraw();
    }
    window_(c);
  }, (c) => `window ${c + 1} of ${count(P)}`, s.real ? 80 : 600);
  steps.go(0);
  ready = true;
  if (wrong.y.length) window_(wrong.y[0].r * s.OW + wrong.y[0].c);
  else if (wrong.dx.length) pixel(wrong.dx[0].r, wrong.dx[0].c);
  else put(words, "Play, or point at a cell.");
  const bad = wrong.y.length + wrong.dx.length, cells = `All ${count(s.C * P)} outputs${s.dx ? ` and ${count(s.x.length)} gradients` : ""} recomputed in the page: `;
  const names = `reshape(${s.C}, ${s.taps}, ${P})`;
  return [
    s.real ? h("p", { id: "pool-check" }, h("span", { class: bad ? "differs" : "agrees" }, cells + (bad ? `${count(bad)} DISAGREE with the engine` : "every one agrees with the engine"), ".")) : null,
    s.dx ? null : h("p", { class: "soft" }, "This layer's input goes elsewhere too, so the engine's gradient of it is not of this layer alone and is not compared."),
    h("div", { class: "bar" }, steps.element, pick), words,
    h("h3", {}, "Forward"), h("code", { class: "formula", tabindex: 0 }, `y = im2col(x).${names}.${name}(axis=1).reshape(${s.C}, ${s.OH}, ${s.OW})`),
    pictures, columns.element, pooled.element,
    h("p", { class: "soft" }, s.max ? `${padded ? "Padding takes no part, so it never wins. " : ""}Of equal pixels the first in window order wins, so that the way back is the same every time.`
      : !padded ? "No window reaches beyond the image."
      : s.includePad ? "Padding counts as zeros: the divisor is the same everywhere (count_include_pad, PyTorch's default)." : "Only pixels inside the image count: a window at the edge has a smaller divisor."),
    h("h3", {}, "Backward"), h("code", { class: "formula", tabindex: 0 }, s.max ? "dColumns[winner[c]][c] = dY[c], all else 0\ndX = col2im(dColumns)"
      : `dColumns = repeat(dY.reshape(${s.C}, ${P}) / ${s.includePad ? s.taps : "counted"}, ${s.taps}, axis=0)\ndX = col2im(dColumns)`),
    back, shares?.element, gradients.element,
    h("p", { class: "soft" }, s.SH < s.KH || s.SW < s.KW ? "The windows overlap, so a pixel may get something from several of them; col2im adds it up."
      : s.SH > s.KH || s.SW > s.KW ? "The stride is larger than the window: the pixels between get nothing." : "The windows do not overlap: each pixel gets something from one at most."),
  ];
}
