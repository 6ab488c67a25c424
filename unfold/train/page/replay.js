// The training replay: draws what was recorded at the epoch the slider stands at. docs/formats.md has the data.
{
  const data = JSON.parse(document.getElementById("replay-data").textContent);
  const slider = document.getElementById("replay-at");
  const play = document.getElementById("replay-play");
  const now = document.getElementById("replay-now");
  const views = document.getElementById("replay-views");
  const { frames, classes } = data;
  const kFaint = 0.65;  // below 1: small values are seen too
  const kGap = 1, kWidth = 272, kPause = 700;  // pixels, pixels, milliseconds

  // Blue and red of the page's theme. Asked for when the theme changes only: the answer costs a layout.
  let above, below;
  const themed = () => {
    const style = getComputedStyle(document.documentElement);
    [above, below] = ["--b", "--r"].map((name) => style.getPropertyValue(name).split(",").map(Number));
  };

  const element = (name, parent, text = "", style = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    if (style) made.className = style;
    return parent.appendChild(made);
  };
  const figure = (title, about) => {
    const made = element("figure", views);
    const heading = element("h3", made, title + " ");
    element("small", heading, about);
    return made;
  };
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const short = (value) => Number(value.toPrecision(3)).toString();
  const percent = (share) => (100 * share).toFixed(1) + "\u00a0%";

  // A picture of tiles (count, height, width), blue above 0 and red below, on one scale for all epochs.
  const tiles = (title, about, what, count, height, width, of) => {
    const box = figure(title, about);
    const canvas = element("canvas", box);
    const range = element("p", box, "", "range");
    const columns = Math.ceil(Math.sqrt(count));
    canvas.width = columns * (width + kGap) - kGap;
    canvas.height = Math.ceil(count / columns) * (height + kGap) - kGap;
    canvas.style.width = canvas.width * Math.max(1, Math.floor(kWidth / canvas.width)) + "px";
    canvas.setAttribute("role", "img");
    const largest = Math.max(...frames.map((f) => Math.max(Math.abs(of(f).low), Math.abs(of(f).high))), 1e-30);
    const context = canvas.getContext("2d");
    return (frame) => {
      const { low, high, data } = of(frame), values = bytes(data);
      const image = context.createImageData(canvas.width, canvas.height);
      const pixels = image.data;
      for (let i = 0; i < values.length; ++i) {
        const tile = Math.floor(i / (height * width)), y = Math.floor(i / width) % height, x = i % width;
        const row = Math.floor(tile / columns) * (height + kGap) + y;
        const at = 4 * (row * canvas.width + (tile % columns) * (width + kGap) + x);
        const value = (low + (values[i] / 255) * (high - low)) / largest;
        const [red, green, blue] = value < 0 ? below : above;
        pixels[at] = red;
        pixels[at + 1] = green;
        pixels[at + 2] = blue;
        pixels[at + 3] = 255 * Math.abs(value) ** kFaint;
      }
      context.putImageData(image, 0, 0);
      const said = `${short(low)} to ${short(high)}`;
      range.textContent = `${what} from ${said}`;
      canvas.setAttribute("aria-label", `${title} at epoch ${frame.epoch}: ${count} pictures, ${what} from ${said}`);
    };
  };

  // The fixed image and how sure the network is of each class.
  const subject = () => {
    const [channels, height, width] = data.image.shape, pixels = bytes(data.image.data);
    const box = figure("The image", `is ${classes[data.image.truth]}; ${data.image.from}`);
    const canvas = element("canvas", box);
    canvas.width = width;
    canvas.height = height;
    canvas.style.width = width * Math.max(1, Math.floor(140 / width)) + "px";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `The image, which is ${classes[data.image.truth]}`);
    const context = canvas.getContext("2d"), image = context.createImageData(width, height), area = height * width;
    for (let i = 0; i < area; ++i) {
      for (let c = 0; c < 3; ++c) image.data[4 * i + c] = pixels[(channels === 3 ? c : 0) * area + i];
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    const list = element("div", box, "", "sure");
    const rows = classes.map((name, c) => {
      const label = element(c === data.image.truth ? "b" : "span", list, name);
      label.dir = "auto";
      return [element("i", element("span", list)), element("span", list)];
    });
    return (frame) =>
      rows.forEach(([bar, text], c) => {
        bar.style.width = 100 * frame.probabilities[c] + "%";
        text.textContent = percent(frame.probabilities[c]);
      });
  };

  // The confusion matrix of the validation images.
  const matrix = () => {
    const box = figure("Confusion matrix", "validation images; a row for each true class");
    const scroll = element("div", box, "", "scroll");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Confusion matrix of the validation images");
    const table = element("table", scroll, "", "matrix");
    element("caption", table, "Counts of validation images, one row per true class, one column per predicted class");
    const head = element("tr", element("thead", table)), body = element("tbody", table);
    element("th", head, "true \\\npredicted").scope = "col";
    for (const name of classes) element("th", head, name).scope = "col";
    const cells = classes.map((name) => {
      const row = element("tr", body);
      element("th", row, name).scope = "row";
      return classes.map(() => element("td", row));
    });
    return (frame) => {
      const counts = frame.confusion;
      const wrong = counts ? Math.max(1, ...counts.flatMap((row, t) => row.filter((_, p) => p !== t))) : 1;
      cells.forEach((row, t) => {
        const all = counts ? counts[t].reduce((a, b) => a + b, 0) : 0;
        row.forEach((cell, p) => {
          const n = counts ? counts[t][p] : 0, share = p === t ? n / all : n / wrong;
          cell.textContent = counts ? n : "\u2013";
          cell.className = n ? (p === t ? "b" : "w") + Math.min(5, 1 + Math.floor(5 * share)) : "z";
        });
      });
    };
  };

  const [outs, ins, kh, kw] = data.filters.shape;
  const draw = [
    subject(),
    tiles("Filters of " + data.filters.layer, `${outs * ins} of ${kh} × ${kw}`, "weights", outs * ins, kh, kw,
          (f) => f.filters),
    ...data.maps.map(({ layer, shape: [c, h, w] }, i) =>
      tiles("Maps of " + layer, `${c} of ${h} × ${w}`, "values", c, h, w, (f) => f.maps[i])),
    matrix(),
  ];
  const show = () => {
    const frame = frames[slider.value], last = frames[frames.length - 1].epoch;
    for (const part of draw) part(frame);
    const accuracy = frame.val_acc === null ? "" : `, validation accuracy ${percent(frame.val_acc)}`;
    const text = frame.epoch === 0 ? "Before training: random weights" : `Epoch ${frame.epoch} of ${last}${accuracy}`;
    now.textContent = text;
    slider.setAttribute("aria-valuetext", text);
  };

  let timer = 0;
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (slider.value === slider.max) slider.value = 0;
    show();
    play.textContent = "Pause";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (slider.value === slider.max) stop();
    }, kPause);
  });
  slider.addEventListener("input", () => {
    stop();
    show();
  });
  // "#epoch=3" opens the page at that epoch.
  const follow = () => {
    const wanted = /^#epoch=(\d+)$/.exec(location.hash);
    const at = wanted ? frames.findIndex((f) => f.epoch === Number(wanted[1])) : -1;
    if (at >= 0) slider.value = at;
    show();
  };
  addEventListener("hashchange", follow);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    themed();
    show();
  });
  document.getElementById("replay-stage").hidden = false;
  themed();
  follow();
}
