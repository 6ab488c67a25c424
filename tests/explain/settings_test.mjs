// The page's own loops against the library: node settings_test.mjs SETTINGS.json. The settings are whole numbers, so the
// two have to agree exactly.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { biasGradient, finish, inputGradient, outputCell, weightGradient } from "../../unfold/explain/page/subject.js";

const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));
assert.ok(settings.length >= 50);
let cells = 0;
for (const { name, sizes, x, w, b, dy, y, dx, dw, db } of settings) {
  const s = finish({ name, real: true, image: 0, images: 1, ...sizes, x, w, b, dy });
  s.every = [{ x, dy }];
  const same = (what, expected, value) => expected.forEach((number, i) => {
    assert.equal(value(i), number, `${what}[${i}] of ${name}`);
    cells += 1;
  });
  assert.equal(y.length, s.OC * s.cols);
  same("y", y, (i) => outputCell(s, Math.floor(i / s.cols), i % s.cols).sum);
  same("dx", dx, (i) => inputGradient(s, Math.floor(i / (s.H * s.W)), Math.floor(i / s.W) % s.H, i % s.W).sum);
  same("dw", dw, (i) => weightGradient(s, Math.floor(i / s.depth), i % s.depth).sum);
  same("db", db, (i) => biasGradient(s, i).sum);
}
console.log(`${settings.length} settings, ${cells} cells: all equal`);
