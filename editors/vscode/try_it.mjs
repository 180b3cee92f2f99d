// Tries the extension in a real VS Code: code-server, in headless Chromium. Leaves two pictures; fails if what should
// be seen is not there.
//
//   npm install && npm run package
//   npm install --no-save puppeteer-core
//   CODE_SERVER=/path/to/node_modules/code-server PYTHON=python3 node try_it.mjs ../../docs/pictures
//
// CODE_SERVER: where `npm install --ignore-scripts code-server@4.100.3` (for Node 20) put it. Then, in its lib/vscode:
// `npm install --ignore-scripts --omit=dev`, and `npm rebuild` of node-pty, native-watchdog and @vscode/spdlog; and of
// argon2 beside it. PYTHON: one with keeptrace-concurrent[cli,html]. CHROMIUM: default /usr/bin/chromium.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const HERE = import.meta.dirname;
const SERVER = join(process.env.CODE_SERVER ?? "node_modules/code-server", "out/node/entry.js");
const PYTHON = process.env.PYTHON ?? "python3";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const PATIENCE = 120_000; // a first start of code-server on a busy machine. (milliseconds)
const DUMP = "crash.keeptrace";

const PROGRAM = `class Order:
    def __init__(self, item, quantity, price):
        self.item, self.quantity, self.price = item, quantity, price


def price(order):
    quantity = int(order.quantity)
    return quantity * order.price


def total(orders):
    return sum(price(order) for order in orders)


orders = [Order("bolt", "3", 7), Order("nut", "two", 34)]
total(orders)
`;

/** A workspace with a program and the dump of its failure. */
function makeWorkspace(home) {
  const folder = join(home, "shop");
  mkdirSync(folder);
  writeFileSync(join(folder, "shop.py"), PROGRAM);
  const code = `
import keeptrace, runpy
try:
    runpy.run_path("shop.py", run_name="shop")
except ValueError as exc:
    traceback = exc.__traceback__
    while "shop.py" not in traceback.tb_frame.f_code.co_filename:
        traceback = traceback.tb_next
    keeptrace.dump(exc.with_traceback(traceback), "${DUMP}")
`;
  execFileSync(PYTHON, ["-c", code], { cwd: folder });
  return folder;
}

/** Installs the extension, starts code-server; its address, and the process. */
async function serve(home) {
  const vsix = readdirSync(HERE).find((name) => name.endsWith(".vsix"));
  const places = ["--user-data-dir", join(home, "data"), "--extensions-dir", join(home, "extensions")];
  const settings = {
    "keeptrace.python": PYTHON,
    "security.workspace.trust.enabled": false,
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": false,
    "telemetry.telemetryLevel": "off",
    "debug.openDebug": "openOnDebugBreak",
  };
  // The path of a Python is a setting of the machine that runs the extension.
  for (const of of ["User", "Machine"]) {
    mkdirSync(join(home, "data", of), { recursive: true });
    writeFileSync(join(home, "data", of, "settings.json"), JSON.stringify(settings));
  }
  const environment = { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, "config") };
  execFileSync(process.execPath, [SERVER, ...places, "--install-extension", join(HERE, vsix)], {
    stdio: "inherit",
    env: environment,
  });
  const options = ["--auth", "none", "--bind-addr", "127.0.0.1:0", "--disable-telemetry"];
  const server = spawn(process.execPath, [SERVER, ...places, ...options], { env: environment });
  const address = await new Promise((resolve, reject) => {
    const read = (data) => {
      const found = /listening on (http:\S+)/i.exec(String(data));
      if (found) resolve(found[1]);
    };
    server.stdout.on("data", read);
    server.stderr.on("data", read);
    server.on("exit", (code) => reject(new Error(`code-server ended with ${code}`)));
    setTimeout(() => reject(new Error("code-server does not listen")), PATIENCE).unref();
  });
  return { address, server };
}

/** Whether an element of a frame says the text; a frame may go away meanwhile. */
async function says(frame, selector, text) {
  try {
    const contains = (all, text) => all.some((each) => each.textContent.includes(text));
    return await frame.$$eval(selector, contains, text);
  } catch {
    return false;
  }
}

/** Waits until a frame of the page has an element with the text. */
async function seen(page, selector, text, patience = PATIENCE) {
  const end = Date.now() + patience;
  while (Date.now() < end) {
    for (const frame of page.frames()) {
      const found = await says(frame, selector, text);
      if (found) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`nothing like ${selector} says ${text}`);
}

/** Double-clicks the dump until the report is there: at first VS Code does not know its extensions yet. */
async function openReport(page) {
  const row = await page.waitForSelector(`.explorer-folders-view [aria-label^="${DUMP}"]`);
  for (let tries = 1; ; tries++) {
    await row.click({ count: 2 });
    try {
      return await seen(page, "h2", "ValueError", 15_000);
    } catch (problem) {
      if (tries === 8) throw problem;
      await page.click(".tab.active .action-label.codicon-close");
    }
  }
}

async function tryIt(page, folder, address, pictures) {
  await page.goto(`${address}?folder=${encodeURIComponent(folder)}`);
  await seen(page, ".explorer-folders-view .monaco-list-row", DUMP);
  await openReport(page);
  await page.screenshot({ path: join(pictures, "vscode-report.png") });

  const button = await page.waitForSelector('.editor-actions [aria-label^="Open Dump in the Debugger"]');
  await button.click();
  await seen(page, ".debug-call-stack .monaco-list-row", "price");
  await seen(page, ".debug-variables .monaco-list-row", "order");
  await seen(page, ".view-line", "int(order.quantity)");
  await page.screenshot({ path: join(pictures, "vscode-debugger.png") });
}

const pictures = process.argv[2] ?? ".";
const home = mkdtempSync(join(tmpdir(), "keeptrace-vscode-"));
const folder = makeWorkspace(home);
const { address, server } = await serve(home);
const browser = await puppeteer.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox"],
  defaultViewport: { width: 1280, height: 800 },
});
const page = await browser.newPage();
page.setDefaultTimeout(PATIENCE);
let failed = false;
try {
  await tryIt(page, folder, address, pictures);
  console.log("the extension works");
} catch (problem) {
  failed = true;
  console.error(problem);
  await page.screenshot({ path: join(pictures, "failed.png") });
} finally {
  await browser.close();
  server.removeAllListeners("exit");
  server.kill();
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(failed ? 1 : 0);
