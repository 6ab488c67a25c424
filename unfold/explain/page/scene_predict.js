// Predict: one cell is covered; work it out, then reveal it and see the sum.
import { choice, h, put, says, show } from "./dom.js";
import { columnValue, copiesOf, columnGradient, inputGradient, outputCell, placeOf, smallSubject, weightGradient } from "./subject.js";
import { columnsGrid, filterGrid, imageGrid, outputGrid } from "./subject_grids.js";

const kLevels = [
  ["first steps", { size: 4, kernel: 2 }],
  ["stride and padding", { size: 5, kernel: 3, stride: 2, padding: 1 }],
  ["two channels", { size: 4, channels: 2, kernel: 2 }],
  ["dilation", { size: 5, kernel: 2, dilation: 2 }],
];

// What can be asked: {text, question(subject, random) -> {where, answer, grids: what is shown, hidden: [r, c] of the covered cell in
// `grids[at]` (default: the last), how: the way in words}}.
// random(n) is a whole number below n.
const kQuestions = {
  columns: ["an entry of the patch matrix", (s, random) => {
    const r = random(s.rows), c = random(s.cols), p = placeOf(s, r, c);
    return { where: `row ${r}, column ${c} of the patch matrix`, answer: columnValue(s, r, c),
      grids: [...images(s), columnsGrid(s, { title: "patch matrix", value: (i, k) => (i === r && k === c ? null : columnValue(s, i, k)) })], hidden: [r, c],
      how: `Row ${r} is channel ${p.ch}, weight (${p.kh}, ${p.kw}); column ${c} is the window for output (${p.oh}, ${p.ow}). That is ${p.inside ? `pixel (${p.y}, ${p.x})` : "padding: 0"}.` };
  }],
  output: ["a cell of the output", (s, random) => {
    const c = random(s.cols), cell = outputCell(s, 0, c);
    return { where: `output (${Math.floor(c / s.OW)}, ${c % s.OW})`, answer: cell.sum,
      grids: [...images(s), ...filters(s), outputGrid(s, 0, s.y, { title: "output", value: (r, k) => (r * s.OW + k === c ? null : s.y[r * s.OW + k]) })], hidden: [Math.floor(c / s.OW), c % s.OW],
      how: `bias ${show(s.b[0])} + ${sumOf(cell.terms)}` };
  }],
  weight: ["a cell of dW", (s, random) => {
    const k = random(s.depth), cell = weightGradient(s, 0, k), p = placeOf(s, k, 0);
    return { where: `dW of channel ${p.ch}, weight (${p.kh}, ${p.kw})`, answer: cell.sum,
      grids: [...images(s), dyGrid(s), ...Array.from({ length: s.C }, (_, ch) => filterGrid(s, 0, ch, s.dw, { title: `dW, channel ${ch}`,
        value: (kh, kw) => ((ch * s.KH + kh) * s.KW + kw === k ? null : s.dw[(ch * s.KH + kh) * s.KW + kw]) }))], hidden: [p.kh, p.kw], at: p.ch - s.C,
      how: `Each output's gradient times the pixel under this weight: ${sumOf(cell.terms)}` };
  }],
  input: ["a pixel of dX", (s, random) => {
    const ch = random(s.C), y = random(s.H), x = random(s.W), cell = inputGradient(s, ch, y, x);
    const each = copiesOf(s, ch, y, x).map(({ r, c }) => columnGradient(s, r, c).terms).flat();
    return { where: `dX at (${y}, ${x})${s.C > 1 ? ` of channel ${ch}` : ""}`, answer: cell.sum,
      grids: [...filters(s), dyGrid(s), imageGrid(s, ch, { title: `dX${s.C > 1 ? `, channel ${ch}` : ""}`, values: Array.from(s.dx, (v, i) => (i === (ch * s.H + y) * s.W + x ? null : v)) })], hidden: [y, x],
      how: each.length ? `One term for each window over the pixel: ${sumOf(each)}` : "No window covers this pixel: 0." };
  }],
};

const images = (s) => Array.from({ length: s.C }, (_, ch) => imageGrid(s, ch));
const filters = (s) => Array.from({ length: s.C }, (_, ch) => filterGrid(s, 0, ch, s.w, { title: s.C > 1 ? `filter, channel ${ch}` : "filter" }));
const dyGrid = (s) => outputGrid(s, 0, s.dy, { title: "dY" });
const sumOf = (terms) => `${terms.map(([a, b]) => `${show(a)}\u00b7${show(b)}`).join(" + ")} = ${show(terms.reduce((sum, [a, b]) => sum + a * b, 0))}`;

export const predictScene = {
  id: "predict",
  title: "Predict",
  build(root) {
    let level = 0, kind = "columns", question = null, right = 0, asked = 0, answered = false;
    const words = says(), shown = h("div", { class: "row" }), score = h("span", { class: "soft", role: "status" });
    const input = h("input", { type: "number", step: "any", id: "answer", size: 8, "aria-label": "Your answer", onkeydown: (event) => { if (event.key === "Enter") check(); } });
    const random = (n) => Math.floor(Math.random() * n);
    function ask() {
      question = kQuestions[kind][1](smallSubject({ outputs: 1, ...kLevels[level][1] }), random);
      answered = false;
      input.value = "";
      put(shown, ...question.grids.map((g) => g.element));
      const [r, c] = question.hidden;
      question.grids.at(question.at ?? -1).mark([{ r, c }]);
      put(words, `What is ${question.where}?`);
    }
    function tell(verdict) {
      put(words, verdict, `${question.where} is ${show(question.answer)}. ${question.how}`);
      put(score, asked ? `${right} of ${asked} right` : "");
    }
    function check() {
      if (input.value === "") return input.focus();
      const good = Math.abs(Number(input.value) - question.answer) <= 1e-6;
      if (!answered) { asked += 1; right += good ? 1 : 0; }
      answered = true;
      if (good) return tell("Right. ");
      put(words, `Not ${show(Number(input.value))}. Try again, or reveal it.`);
      put(score, `${right} of ${asked} right`);
    }
    const button = (text, click) => h("button", { type: "button", onclick: click }, text);
    root.append(h("h2", {}, "Predict the cell, then reveal it"),
      h("p", {}, "One cell is covered. Work it out on paper; the page says whether you are right, and how it comes about."),
      h("div", { class: "bar" },
        choice("Ask for ", Object.entries(kQuestions).map(([key, [text]]) => [key, text]), kind, (key) => { kind = key; ask(); }),
        choice("level ", kLevels.map(([text], i) => [i, text]), level, (i) => { level = Number(i); ask(); })),
      words, h("div", { class: "bar" }, input, button("Check", check), button("Reveal", () => { if (!answered) asked += 1; answered = true; tell(""); }), button("Next", ask), score), shown);
    ask();
  },
};
