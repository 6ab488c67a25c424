// Headless Chromium over a pipe, with nothing but node: enough of the DevTools protocol to open a page and use it.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const kBrowser = ""; // the session of what is asked of the browser, not of a page
const kNames = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// The browser's name, or null if this machine has none.
export const browserName = () => kNames.find((name) => spawnSync(name, ["--version"]).status === 0) ?? null;

export class Browser {
  #next = 1;
  #waiting = new Map();
  #listeners = [];
  #rest = Buffer.alloc(0);

  constructor(name) {
    this.folder = mkdtempSync(join(tmpdir(), "unfold-browser-"));
    this.process = spawn(name, ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic", `--user-data-dir=${this.folder}`, "about:blank"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.process.stdio[4].on("data", (bytes) => this.#receive(bytes));
  }
  #receive(bytes) {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (let end; (end = this.#rest.indexOf(0)) >= 0; this.#rest = this.#rest.subarray(end + 1)) {
      const message = JSON.parse(this.#rest.subarray(0, end).toString());
      if (!message.id) { for (const listener of this.#listeners) listener(message); continue; }
      const { resolve, reject } = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      message.error ? reject(new Error(message.error.message)) : resolve(message.result);
    }
  }
  send(method, params = {}, sessionId = this.session) {
    const id = this.#next++;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }
  on(method, listener) { this.#listeners.push((message) => { if (message.method === method) listener(message.params); }); }

  /// Opens a file and waits until it is loaded. `problems` collects console errors, exceptions and every request but
  /// the file's own; data: addresses are not requests.
  async open(path, { width = 1280, height = 900, dark = false } = {}) {
    this.problems = [];
    this.#listeners = [];
    if (this.target) await this.send("Target.closeTarget", { targetId: this.target }, kBrowser);
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" }, kBrowser);
    this.target = targetId;
    this.session = (await this.send("Target.attachToTarget", { targetId, flatten: true }, kBrowser)).sessionId;
    const address = pathToFileURL(path).href;
    this.on("Runtime.exceptionThrown", (p) => this.problems.push(p.exceptionDetails.exception?.description ?? p.exceptionDetails.text));
    this.on("Runtime.consoleAPICalled", (p) => { if (p.type === "error") this.problems.push(p.args.map((a) => a.value ?? a.description).join(" ")); });
    this.on("Log.entryAdded", (p) => { if (p.entry.level === "error") this.problems.push(p.entry.text); });
    this.on("Network.requestWillBeSent", (p) => { if (!p.request.url.startsWith(address) && !p.request.url.startsWith("data:")) this.problems.push(`request: ${p.request.url}`); });
    for (const domain of ["Runtime", "Log", "Network", "Page"]) await this.send(`${domain}.enable`);
    await this.send("Network.emulateNetworkConditions", { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 });
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
    await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
    const loaded = new Promise((resolve) => this.on("Page.loadEventFired", resolve));
    await this.send("Page.navigate", { url: address });
    await loaded;
  }
  /// The value of an expression in the page; promises are waited for.
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }
  async picture() { return Buffer.from((await this.send("Page.captureScreenshot", { captureBeyondViewport: true, format: "png" })).data, "base64"); }
  async close() {
    const gone = new Promise((resolve) => this.process.on("exit", resolve)), patience = setTimeout(() => this.process.kill("SIGKILL"), 10_000);
    this.send("Browser.close", {}, kBrowser).catch(() => {}); // killed at once, it would leave children that still write
    await gone;
    clearTimeout(patience);
    for (let tries = 0; tries < 50; ++tries) {
      try {
        return rmSync(this.folder, { recursive: true, force: true });
      } catch { // a child has not gone yet
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    console.log(`     ${this.folder} could not be removed`);
  }
}
