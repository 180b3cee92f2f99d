// A conversation with `keeptrace dap` by VS Code's own client for tests of debug adapters.
// usage: node dap_client.js PYTHON ADAPTER FILE LINE
//        node dap_client.js --port PORT TOKEN FILE LINE
// ADAPTER: a Python file that serves the dump. FILE, LINE: where the dump stands. NODE_PATH names the package.
"use strict";

const assert = require("node:assert");
const { DebugClient } = require("@vscode/debugadapter-testsupport");

async function converse(client, launch, file, line) {
  const stopped = client.waitForEvent("stopped");
  await Promise.all([
    client.waitForEvent("initialized").then(() => client.configurationDoneRequest()),
    client.launch(launch),
  ]);
  const event = await stopped;
  assert.strictEqual(event.body.reason, "exception");

  const threads = (await client.threadsRequest()).body.threads;
  const threadId = event.body.threadId;
  assert.ok(threads.some((thread) => thread.id === threadId));
  const info = (await client.exceptionInfoRequest({ threadId })).body;
  assert.strictEqual(info.exceptionId, "ZeroDivisionError");

  const frames = (await client.stackTraceRequest({ threadId })).body.stackFrames;
  assert.strictEqual(frames[0].name, "price");
  assert.strictEqual(frames[0].line, line);
  client.assertPath(frames[0].source.path, file);

  const scopes = (await client.scopesRequest({ frameId: frames[0].id })).body.scopes;
  const variablesReference = scopes[0].variablesReference;
  const variables = (await client.variablesRequest({ variablesReference })).body.variables;
  const order = variables.find((variable) => variable.name === "order");
  assert.ok(order.variablesReference > 0);
  const evaluated = await client.evaluateRequest({
    expression: 'order["quantity"]',
    frameId: frames[0].id,
    context: "hover",
  });
  assert.strictEqual(evaluated.body.result, "0");

  await assert.rejects(client.nextRequest({ threadId }), /stands still/);
  await assert.rejects(
    client.evaluateRequest({ expression: "1 + 1", frameId: frames[0].id, context: "repl" }),
  );
  const ended = client.waitForEvent("terminated");
  await client.continueRequest({ threadId });
  await ended;
}

async function main() {
  const [runtime, adapter, ...rest] = process.argv.slice(2);
  const isPort = runtime === "--port";
  const client = new DebugClient(runtime, adapter, "keeptrace", undefined, true);
  client.defaultTimeout = 60000;
  const token = isPort ? rest.shift() : undefined;
  const [file, line] = rest;
  await client.start(isPort ? Number(adapter) : undefined);
  await converse(client, { name: "dump", token }, file, Number(line));
  await client.stop();
  console.log("the conversation is over");
}

main().catch((problem) => {
  console.error(problem);
  process.exit(1);
});
