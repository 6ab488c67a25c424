// The page of `unfold explain` in headless Chromium: node page_test.mjs UNFOLD MODEL_MAKER DIGITS [FOLDER FOR PICTURES].
// Every scene is opened, stepped and pointed at; its numbers are compared with the engine's; an altered number is found.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Browser, browserName } from "./browser.mjs";

const kSkipped = 77, kMedian = 8, kMost = 16; // milliseconds of script a hover may take; shared machines: four times that
const [program, maker, digits, pictures] = process.argv.slice(2);
const name = browserName();
if (!name) {
  console.log("skipped: no Chromium on this machine");
  process.exit(kSkipped);
}

const folder = mkdtempSync(join(tmpdir(), "unfold-page-"));
const page = (file, model, ...images) => {
  execFileSync(program, ["explain", join(folder, model), ...images.map((digit) => join(digits, `${digit}.png`)), "--class", "4", "-o", join(folder, file), ...(file.startsWith("compact") ? ["--compact"] : [])]);
  return join(folder, file);
};
const kOpen = '<script type="application/json" id="data">';
/// The page with its data changed by `change(data)`.
function altered(path, file, change) {
  const text = readFileSync(path, "utf8"), begin = text.indexOf(kOpen) + kOpen.length, end = text.indexOf("</script>", begin);
  const data = JSON.parse(text.slice(begin, end));
  change(data);
  writeFileSync(join(folder, file), text.slice(0, begin) + JSON.stringify(data).replaceAll("<", "\\u003c") + text.slice(end));
  return join(folder, file);
}
/// One float of a packed text replaced by `value`.
function put(text, index, value) {
  const bytes = Buffer.from(text, "base64");
  bytes.writeFloatLE(value, 4 * index);
  return bytes.toString("base64");
}

// Functions that run in the page.
const kPage = `
const wait = () => new Promise((resolve) => setTimeout(resolve, 30));
async function scene(id) { location.hash = id; await wait(); await wait(); }
async function choose(label, value) {
  const select = [...document.querySelectorAll("main label")].find((l) => l.textContent.trim().startsWith(label)).querySelector("select");
  select.value = value;
  select.dispatchEvent(new Event("change"));
  await wait();
}
const grid = (title) => [...document.querySelectorAll("main figure")].find((f) => f.querySelector("figcaption").textContent.startsWith(title))?.querySelector(".grid");
function at(box, r, c, rows, cols, type) {
  const canvas = box.querySelector("canvas"), bounds = canvas.getBoundingClientRect();
  canvas.dispatchEvent(new MouseEvent(type, { bubbles: true, clientX: bounds.left + (c + 0.5) * bounds.width / cols, clientY: bounds.top + (r + 0.5) * bounds.height / rows }));
}
/// Uses each control of the scene as it is shown, one after the other: options, sliders, buttons, cells. The last option of
/// a choice stays chosen; backwards that is its first. {controls, differ: what was said to disagree}
async function useAll(backwards) {
  let controls = 0;
  const differ = new Set(), look = () => { for (const e of document.querySelectorAll("main .differs")) if (/DISAGREE/.test(e.textContent)) differ.add(e.textContent); };
  const kinds = {
    select: (e) => [...e.options].slice(0, 6)[backwards ? "reverse" : "slice"]().map((o) => () => { e.value = o.value; e.dispatchEvent(new Event("change", { bubbles: true })); }),
    "input[type=range]": (e) => [e.max, e.min].map((v) => () => { e.value = v; e.dispatchEvent(new Event("input", { bubbles: true })); }),
    button: (e) => [() => e.click(), () => e.click()],
    ".grid": (e) => [[0.1, 0.1], [0.5, 0.5], [0.9, 0.7]].flatMap(([x, y]) => ["pointermove", "click"].map((type) => () => {
      const bounds = e.querySelector("canvas").getBoundingClientRect();
      e.querySelector("canvas").dispatchEvent(new MouseEvent(type, { bubbles: true, clientX: bounds.left + x * bounds.width, clientY: bounds.top + y * bounds.height }));
    })).concat(["ArrowRight", "ArrowDown", "Enter"].map((key) => () => { e.focus(); e.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })); }), () => e.dispatchEvent(new MouseEvent("pointerleave"))),
  };
  for (const [kind, uses] of Object.entries(kinds)) {
    // A use may draw the scene anew, so the next control is looked up each time.
    for (let i = 0; i < Math.min(40, document.querySelectorAll("main " + kind).length); ++i) {
      const count = uses(document.querySelectorAll("main " + kind)[i]).length;
      for (let k = 0; k < count; ++k) {
        const element = document.querySelectorAll("main " + kind)[i];
        if (!element) break;
        uses(element)[k]?.();
        controls += 1;
        look();
      }
      await wait();
    }
  }
  return { controls, differ: [...differ] };
}
const words = () => document.querySelector("main .says")?.textContent ?? "";
`;

const browser = new Browser(name);
let failed = 0;
async function test(title, body) {
  try {
    await body();
    console.log(`ok   ${title}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${title}\n     ${error.stack}`);
  }
}
const open = async (path, options) => {
  await browser.open(path, options);
  await browser.evaluate(kPage);
};
const clean = () => assert.deepEqual(browser.problems, []);

execFileSync(maker, [folder]);
const lenet = page("lenet5.html", "lenet5-article.safetensors", 7, 3), grouped = page("grouped.html", "grouped.safetensors", 7, 3), compact = page("compact.html", "grouped.safetensors", 7, 3);

await test("every scene opens, at three widths and in both colour schemes, and nothing is loaded", async () => {
  for (const [width, dark] of [[400, false], [800, true], [1400, false], [1400, true]]) {
    await open(lenet, { width, dark });
    const scenes = await browser.evaluate(`[...document.querySelectorAll("#scenes button")].map((b) => b.dataset.scene)`);
    assert.ok(scenes.length >= 4);
    for (const id of scenes) {
      await browser.evaluate(`scene(${JSON.stringify(id)})`);
      assert.ok(await browser.evaluate(`document.querySelector("main h2") !== null && document.querySelector("main").textContent.length > 100`), id);
      assert.ok(await browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), `${id} is wider than a window of ${width}`);
      if (pictures) {
        mkdirSync(pictures, { recursive: true });
        writeFileSync(join(pictures, `${id}-${width}${dark ? "-dark" : ""}.png`), await browser.picture());
      }
    }
    clean();
  }
});

await test("play, step and pointer move a scene on, and the words follow", async () => {
  await open(lenet);
  await browser.evaluate(`scene("unfold")`);
  const before = await browser.evaluate("words()");
  await browser.evaluate(`document.querySelector("main button[aria-label='Step on']").click()`);
  const stepped = await browser.evaluate("words()");
  assert.notEqual(stepped, before);
  assert.match(stepped, /^Column 1:/);
  await browser.evaluate(`at(grid("image"), 1, 1, 6, 6, "pointermove")`);
  assert.match(await browser.evaluate("words()"), /^Pixel \(1, 1\) is 8\. It has 4 copies/);
  await browser.evaluate(`at(grid("patch matrix"), 4, 5, 9, 16, "pointermove")`);
  assert.match(await browser.evaluate("words()"), /^Row 4, column 5 is 15: pixel \(2, 2\)/);
  clean();
});

await test("play goes on by itself until it is paused", async () => {
  await open(lenet);
  await browser.evaluate(`scene("unfold")`);
  const press = `document.querySelector("main .player button:not([aria-label])").click()`;
  await browser.evaluate(press);
  await browser.evaluate("new Promise((resolve) => setTimeout(resolve, 1600))");
  const played = await browser.evaluate("words()");
  assert.match(played, /^Column [1-9]/);
  await browser.evaluate(press);
  const paused = await browser.evaluate("words()");
  await browser.evaluate("new Promise((resolve) => setTimeout(resolve, 1000))");
  assert.equal(await browser.evaluate("words()"), paused);
  clean();
});

for (const [what, file] of [["LeNet-5", lenet], ["grouped convolutions", grouped], ["a compact page", compact]]) {
  await test(`${what}: every control of every scene can be used, and no number disagrees`, async () => {
    await open(file, { width: 1000 });
    for (const id of await browser.evaluate(`[...document.querySelectorAll("#scenes button")].map((b) => b.dataset.scene)`)) {
      await browser.evaluate(`scene(${JSON.stringify(id)})`);
      for (const backwards of [false, true]) {
        const used = await browser.evaluate(`useAll(${backwards})`);
        clean();
        assert.ok(id === "cost" || used.controls > 0, `${id} has nothing to use`);
        assert.deepEqual(used.differ, [], id);
      }
    }
  });
}

await test("the keyboard reaches a cell", async () => {
  await open(lenet);
  await browser.evaluate(`scene("unfold")`);
  await browser.evaluate(`(() => { const box = grid("patch matrix"); box.focus(); for (const key of ["ArrowRight", "ArrowDown"]) box.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })); })()`);
  assert.match(await browser.evaluate("words()"), /^Row 1, column 1 is 3/);
});

for (const [file, layers] of [[lenet, ["conv1", "conv2"]], [grouped, ["conv1", "grouped"]]]) {
  await test(`${layers.join(", ")}: every output and every gradient, summed again, is the engine's`, async () => {
    await open(file);
    for (const layer of layers) {
      await browser.evaluate(`scene("multiply")`);
      const key = await browser.evaluate(`[...document.querySelectorAll("main select option")].find((o) => o.textContent.startsWith("${layer} ")).value`);
      for (const image of [0, 1]) {
        await browser.evaluate(`choose("Show", "${key}")`);
        await browser.evaluate(`choose("image", "${image}")`);
        assert.match(await browser.evaluate(`document.getElementById("forward-check").textContent`), /every one agrees/);
        await browser.evaluate(`scene("backward")`);
        assert.match(await browser.evaluate(`document.getElementById("backward-check").textContent`), /every one agrees/);
        assert.equal(await browser.evaluate(`document.querySelectorAll("main .differs").length`), 0);
        await browser.evaluate(`scene("multiply")`);
      }
    }
    clean();
  });
}

await test("cells of dW, db and dX can be followed", async () => {
  await open(lenet);
  await browser.evaluate(`scene("backward")`);
  await browser.evaluate(`choose("Show", "0")`);
  for (const [title, r, c, rows, cols, says] of [["dW", 2, 7, 6, 25, /^dW of filter 2, channel 0, weight \(1, 2\).*agrees$/], ["db", 3, 0, 6, 1, /^db of filter 3.*agrees$/], ["dX", 16, 16, 32, 32, /^dX at \(16, 16\): 25 overlapping.*agrees$/]]) {
    await browser.evaluate(`at(grid("${title}"), ${r}, ${c}, ${rows}, ${cols}, "click")`);
    assert.match(await browser.evaluate("words()"), says);
  }
  clean();
});

await test("dX fills as the columns are folded, and ends as the engine's", async () => {
  await open(lenet);
  await browser.evaluate(`scene("backward")`);
  // The whole of dX as it is drawn, without the marks.
  const drawn = () => browser.evaluate(`(() => { const canvas = grid("dX").querySelector("canvas"); return canvas.toDataURL(); })()`);
  const whole = await drawn(), press = (name) => browser.evaluate(`document.querySelector("main button[aria-label='${name}']").click()`);
  const scrub = (value) => browser.evaluate(`(() => { const range = document.querySelector("main input[aria-label='Step']"); range.value = ${value}; range.dispatchEvent(new Event("input")); })()`);
  await scrub(0);
  assert.match(await browser.evaluate("words()"), /^Column 1 of 16 folded: its 9 numbers are added to the pixels of the window at \(0, 0\)\./);
  const first = await drawn();
  assert.notEqual(first, whole);
  await press("Step on");
  assert.match(await browser.evaluate("words()"), /^Column 2 of 16 folded.*window at \(0, 1\)\. What windows before/);
  assert.notEqual(await drawn(), first);
  await scrub(15);
  assert.match(await browser.evaluate("words()"), /this is dX\.$/);
  assert.equal(await drawn(), whole);
  await scrub(3);
  await browser.evaluate(`at(grid("dX"), 2, 2, 6, 6, "click")`); // whoever asks for a pixel's sum sees all of dX again
  assert.equal(await drawn(), whole);
  clean();
});

await test("each gradient has its other face: the same number without the patch matrix", async () => {
  for (const [file, key] of [[lenet, "0"], [grouped, null]]) {
    await open(file);
    await browser.evaluate(`scene("backward")`);
    const layer = key ?? await browser.evaluate(`[...document.querySelectorAll("main select option")].find((o) => o.textContent.startsWith("grouped ")).value`);
    await browser.evaluate(`choose("Show", "${layer}")`);
    const ways = `[...document.querySelectorAll(".ways tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent))`;
    const size = await browser.evaluate(`(([box]) => box.getAttribute("aria-label").match(/, ([0-9]+) by ([0-9]+);/).slice(1).map(Number))([grid("dX")])`);
    let rows; // of the first pixel on the diagonal that has a gradient
    for (let at = 4; at < Math.min(...size) && (rows === undefined || rows[0][1] === "0"); ++at) {
      await browser.evaluate(`at(grid("dX"), ${at}, ${at}, ${size}, "click")`);
      rows = await browser.evaluate(ways);
    }
    assert.deepEqual(rows.map((row) => row[2]), ["", "the same", "the same"]);
    assert.ok(rows.every((row) => row[1] === rows[0][1]) && rows[0][1] !== "0", String(rows));
    const weights = await browser.evaluate(`(([box]) => box.getAttribute("aria-label").match(/, ([0-9]+) by ([0-9]+);/).slice(1).map(Number))([grid("dW")])`);
    for (let filter = 0; filter < weights[0] && (rows.length === 3 || rows[0][1] === "0"); ++filter) {
      await browser.evaluate(`at(grid("dW"), ${filter}, 7, ${weights}, "click")`);
      rows = await browser.evaluate(ways);
    }
    assert.deepEqual(rows.map((row) => row[2]), ["", "the same"]);
    assert.ok(rows[1][1] === rows[0][1] && rows[0][1] !== "0", String(rows));
    const errors = await browser.evaluate(`(([box]) => box.getAttribute("aria-label").match(/, ([0-9]+) by ([0-9]+);/).slice(1).map(Number))([grid("dY, channel")])`);
    await browser.evaluate(`at(grid("dY, channel"), 2, 3, ${errors}, "click")`);
    assert.match(await browser.evaluate("words()"), /^dY at \(2, 3\) of filter [0-9] is .*the error of one slide/);
    clean();
  }
});

await test("a page begins with the layer that was asked for, and shows what excites its units", async () => {
  execFileSync(program, ["data", "strokes", "--out", join(folder, "strokes")], { stdio: "ignore" });
  execFileSync(program, ["explain", join(folder, "lenet5-article.safetensors"), join(digits, "7.png"), "--layer", "conv1", "--data", join(folder, "strokes"), "-o", join(folder, "first.html")], { stdio: "ignore" });
  await open(join(folder, "first.html"));
  assert.match(await browser.evaluate(`document.querySelector("main select").selectedOptions[0].textContent`), /^conv1 of/);
  await browser.evaluate(`scene("seen")`);
  const strips = `[...document.querySelectorAll("main .strip")]`;
  assert.equal(await browser.evaluate(`${strips}.length`), 6);
  await browser.evaluate(`at(${strips}[2], 0, 0, 10, 10, "click")`);
  assert.match(await browser.evaluate("words()"), /^Unit [0-5]: test image [0-9]+ of strokes, a [0-9], excites it by [0-9.]+: number 1 of all\.$/);
  clean();
});

await test("print shows every matrix, light even in a dark scheme", async () => {
  await open(lenet, { dark: true });
  await browser.evaluate(`scene("pool")`);
  const canvases = await browser.evaluate(`document.querySelectorAll("main .grid canvas").length`);
  const pdf = Buffer.from((await browser.send("Page.printToPDF", { printBackground: true })).data, "base64").toString("latin1");
  // Each as a picture of its own: drawn stroke by stroke, the canvas for the marks would erase the numbers below it.
  assert.ok(canvases > 6 && pdf.split("/Subtype /Image").length - 1 >= canvases / 2, `${canvases} canvases, ${pdf.split("/Subtype /Image").length - 1} pictures`);
  clean();
});

await test("pooling, average and max: every output and every gradient, pooled again, is the engine's", async () => {
  for (const [file, layer] of [[lenet, "pool1"], [lenet, "pool2"], [grouped, "pool"]]) {
    await open(file);
    await browser.evaluate(`scene("pool")`);
    const key = await browser.evaluate(`[...document.querySelectorAll("main select option")].find((o) => o.textContent.startsWith("${layer} ")).value`);
    await browser.evaluate(`choose("Show", "${key}")`);
    for (const image of [0, 1]) {
      await browser.evaluate(`choose("image", "${image}")`);
      assert.match(await browser.evaluate(`document.getElementById("pool-check").textContent`), /^All [0-9,]+ outputs and [0-9,]+ gradients .*every one agrees/);
    }
    assert.match(await browser.evaluate(`(document.querySelector("main button[aria-label='Step on']").click(), words())`), /^Output \(0, 1\) .*agrees$/);
    clean();
  }
});

await test("small poolings say who won and who shares", async () => {
  await open(lenet);
  await browser.evaluate(`scene("pool")`);
  await browser.evaluate(`at(grid("output"), 1, 1, 3, 3, "pointermove")`);
  assert.match(await browser.evaluate("words()"), /^Output \(1, 1\) is \(7 \+ 0 \+ 4 \+ 8\) \/ 4 = 4\.750\. Back: dY there is \u22121, so each of these pixels gets \u22121 \/ 4 = \u22120\.2500\./);
  await browser.evaluate(`choose("pooling", "max")`);
  await browser.evaluate(`at(grid("output"), 1, 1, 3, 3, "pointermove")`);
  assert.match(await browser.evaluate("words()"), /largest of 7, 0, 4, 8: 8, at tap 3, pixel \(3, 3\)\. Back: all of dY, \u22121/);
  await browser.evaluate(`at(grid("image"), 2, 2, 6, 6, "pointermove")`);
  assert.match(await browser.evaluate("words()"), /^Pixel \(2, 2\) is 7\. 1 window covers it; it wins 0\. dX there: 0\./);
  clean();
});

await test("several images: the right way gives the engine's numbers, the plain reshape does not", async () => {
  await open(lenet);
  await browser.evaluate(`scene("batch")`);
  await browser.evaluate(`at(grid("product"), 1, 3, 2, 18, "pointermove")`);
  assert.match(await browser.evaluate("words()"), /image 0, channel 1, output \(1, 0\); it stands in row 1, column 3\..*plain reshape puts it at image 1, channel 0: wrong\.$/);
  for (const [tensor, layer] of [["output", "conv1"], ["dy", "conv2"], ["col2im", "conv2"], ["pool", "pool1"], ["unpool", "pool2"]]) {
    await browser.evaluate(`choose("Tensor", "${tensor}")`);
    const key = await browser.evaluate(`[...document.querySelectorAll("main select option")].find((o) => o.textContent.startsWith("${layer} ")).value`);
    await browser.evaluate(`choose("show", "${key}")`);
    assert.match(await browser.evaluate(`document.getElementById("batch-check").textContent`), /against the engine's: the right way, all [0-9,]+ agree; after the plain reshape [1-9][0-9,]* of/, tensor);
  }
  clean();
});

// One number altered: where it shows.
const kAlterations = {
  "an output": [(data) => { const list = data.values[data.layers[0].output].data; list[0] = put(list[0], 3 * 784 + 29, 7); }, "multiply", "forward-check", /^All 4,704 outputs recomputed in the page: 1 DISAGREE/, /^Output \(1, 1\) of channel 3.*DISAGREES: engine 7,/],
  "a pixel": [(data) => { const list = data.values[0].data; list[0] = put(list[0], 0, 9); }, "multiply", "forward-check", /[1-6] DISAGREE/, /^Output \(0, 0\).*DISAGREES/],
  "a weight": [(data) => { const weight = data.parameters[data.layers[0].weight]; weight.data = put(weight.data, 25 * 2 + 3, 5); }, "multiply", "forward-check", /DISAGREE/, /of channel 2.*DISAGREES/],
  "a mean": [(data) => { const list = data.values[data.layers[2].output].data; list[0] = put(list[0], 2 * 196 + 15, 7); }, "pool", "pool-check", /: 1 DISAGREE/, /^Output \(1, 1\) is .*DISAGREES: engine 7,/, "2"],
  "a gradient of the image": [(data) => { const list = data.values[0].gradient; list[0] = put(list[0], 32 * 10 + 11, 3); }, "backward", "backward-check", /: 1 DISAGREE/, null],
};
for (const [what, [change, id, check, whole, cell, layer = "0"]] of Object.entries(kAlterations)) {
  await test(`${what} altered by hand is found, and where`, async () => {
    await open(altered(lenet, "altered.html", change));
    await browser.evaluate(`scene("${id}")`);
    await browser.evaluate(`choose("Show", "${layer}")`);
    assert.match(await browser.evaluate(`document.getElementById("${check}").textContent`), whole);
    if (cell) assert.match(await browser.evaluate("words()"), cell);
    else {
      await browser.evaluate(`at(grid("dX"), 10, 11, 32, 32, "click")`);
      assert.match(await browser.evaluate("words()"), /^dX at \(10, 11\).*DISAGREES: engine 3,/);
      await browser.evaluate(`at(grid("dX"), 10, 12, 32, 32, "click")`);
      assert.match(await browser.evaluate("words()"), /agrees$/);
    }
    clean();
  });
}

await test("each historical fault is caught by the gradient check, where the settings can show it, and nothing else is", async () => {
  await open(lenet);
  await browser.evaluate(`scene("break")`);
  const verdicts = `[...document.querySelectorAll("#gradient-check tbody tr")].map((r) => r.lastChild.textContent)`;
  const press = (text) => browser.evaluate(`[...document.querySelectorAll("main button")].find((b) => b.textContent.startsWith("${text}")).click()`);
  const slide = (label, value) => browser.evaluate(`(() => { const input = [...document.querySelectorAll("main label")].find((l) => l.textContent.startsWith("${label}")).querySelector("input"); input.value = ${value}; input.dispatchEvent(new Event("input")); })()`);
  assert.deepEqual(await browser.evaluate(verdicts), ["passes", "passes", "passes"]);
  // Which of dW, dX, dX each one spoils, and the setting without which nothing shows.
  for (const [fault, caught, label, harmless, harmful] of [["Padding is cropped", [0, 1, 1], "padding", 0, 1], ["tanh's factor", [1, 1, 1]], ["Gradients are sums", [1, 1, 1], "images", 1, 2],
    ["dW is mirrored", [1, 0, 0]], ["The stride is ignored", [0, 1, 1], "stride", 1, 2]]) {
    await press(fault);
    assert.deepEqual(await browser.evaluate(verdicts), caught.map((is) => (is ? "CAUGHT" : "passes")), fault);
    if (label) {
      await slide(label, harmless);
      assert.ok((await browser.evaluate(verdicts)).every((v) => v === "passes"), fault);
      assert.equal(await browser.evaluate(`document.querySelectorAll(".silent").length`), 1, fault);
      await slide(label, harmful);
    }
    await press(fault);
  }
  clean();
});

await test("the cost of each convolution is what its sizes and the engines' clocks say", async () => {
  await open(lenet);
  await browser.evaluate(`scene("cost")`);
  const cells = (id) => browser.evaluate(`[...document.querySelectorAll("#${id} tbody tr")].map((r) => [...r.children].map((c) => c.textContent.trim()))`);
  // 32 * 32 and 6 * 14 * 14 numbers of 4 bytes, unfolded to 25 * 28 * 28 and 150 * 10 * 10.
  assert.deepEqual((await cells("cost-memory")).map((row) => row.filter((text) => text)), [["conv1", "4.10 kB", "78.4 kB", "19.1\u00d7", "5\u00b75", "117,600"], ["conv2", "4.70 kB", "60.0 kB", "12.8\u00d7", "5\u00b75", "240,000"],
    ["all convolutions", "8.80 kB", "138 kB", "15.7\u00d7", "357,600"], ["whole network", "416,520"]]);
  const layers = JSON.parse(await browser.evaluate(`document.getElementById("data").textContent`)).layers, convolutions = layers.filter((layer) => layer.type === "Conv2d");
  const rows = await cells("cost-time");
  [[convolutions[0]], [convolutions[1]], convolutions, layers].forEach((some, r) => ["naive", "im2col", "fast"].forEach((engine, k) => {
    const seconds = some.reduce((sum, layer) => sum + layer.seconds[engine], 0), [number, unit] = rows[r][k + 1].split(" ");
    assert.ok(Math.abs(Number(number) * { ms: 1e-3, "\u00b5s": 1e-6 }[unit] - seconds) <= 0.006 * seconds, `${rows[r]}: ${seconds}`);
  }));
  clean();
});

await test("a weight's step is the engine's, for every parameter", async () => {
  await open(lenet);
  await browser.evaluate(`scene("net")`);
  const parameters = await browser.evaluate(`[...[...document.querySelectorAll("main label")].find((l) => l.textContent.startsWith("parameter")).querySelectorAll("option")].length`);
  for (let p = 0; p < parameters; ++p) {
    await browser.evaluate(`choose("parameter", "${p}")`);
    assert.deepEqual(await browser.evaluate(`[document.querySelectorAll("main .agrees").length, document.querySelectorAll("main .differs").length]`), [3, 0]);
  }
  clean();
});

await test("names that are HTML are shown as they are, and do nothing", async () => {
  const hostile = `</script><script>window.hurt = 1</script><img src=x onerror="window.hurt = 2">'"&amp;\u202e`;
  await open(altered(lenet, "hostile.html", (data) => { data.classes = data.classes.map((c) => c + hostile); data.images[0].name = hostile; data.model = hostile; data.layers[0].name = hostile; }));
  for (const id of await browser.evaluate(`[...document.querySelectorAll("#scenes button")].map((b) => b.dataset.scene)`)) await browser.evaluate(`scene(${JSON.stringify(id)})`);
  assert.equal(await browser.evaluate("window.hurt ?? 0"), 0);
  assert.ok(await browser.evaluate(`document.getElementById("head").textContent.includes("</script><script>")`));
  assert.equal(await browser.evaluate(`document.querySelectorAll("img[src='x']").length`), 0);
  clean();
});

await test("a hover takes no longer than a frame", async () => {
  await open(lenet);
  await browser.evaluate(`scene("unfold")`);
  await browser.evaluate(`choose("Show", "3")`);
  const times = await browser.evaluate(`(() => { const times = [];
    for (let i = 0; i < 300; ++i) { const start = performance.now(); at(grid("patch matrix"), i % 150, (i * 7) % 100, 150, 100, "pointermove"); times.push(performance.now() - start); }
    return times.sort((a, b) => a - b); })()`);
  const median = times[150], most = times[285];
  console.log(`     script of a hover: median ${median.toFixed(1)} ms, 95 % within ${most.toFixed(1)} ms`);
  assert.ok(median <= 4 * kMedian && most <= 4 * kMost);
});

await test("a compact page: every window of a convolution, summed again, is the engine's; the maps are there, and no step of training", async () => {
  await open(compact);
  for (const [layer, outputs] of [["conv1", 144], ["grouped", 108]]) {
    await browser.evaluate(`scene("multiply")`);
    const key = await browser.evaluate(`[...document.querySelectorAll("main select option")].find((o) => o.textContent.startsWith("${layer} ")).value`);
    for (const image of [0, 1]) {
      await browser.evaluate(`choose("Show", "${key}")`);
      await browser.evaluate(`choose("image", "${image}")`);
      assert.equal(await browser.evaluate(`document.getElementById("forward-check").textContent`), `All ${outputs} outputs recomputed in the page: every one agrees with the engine.`);
      assert.match(await browser.evaluate(`document.querySelector("main").textContent`), /A window of the layer, with its own numbers: rows [0-9\u2212-]+ to/);
    }
  }
  await browser.evaluate(`scene("net")`);
  assert.ok(await browser.evaluate(`document.querySelectorAll("main .strip").length`) >= 8);
  assert.equal(await browser.evaluate(`document.getElementById("one-weight")`), null);
  await browser.evaluate(`scene("seen")`);
  assert.ok(await browser.evaluate(`document.querySelectorAll("main .seen").length`) > 5);
  assert.ok(!/null|undefined|NaN/.test(await browser.evaluate(`document.querySelector("main").textContent`)));
  clean();
});

await test("the page of a LeNet-5 is below 3 MB", () => {
  const bytes = statSync(lenet).size;
  console.log(`     ${(bytes / 1e6).toFixed(2)} MB with two pictures`);
  assert.ok(bytes < 3e6);
});

await browser.close();
rmSync(folder, { recursive: true, force: true });
console.log(failed ? `${failed} failed` : "all passed");
process.exit(failed ? 1 : 0);
