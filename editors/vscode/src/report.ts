// The report of a dump, as the editor of .keeptrace files. The page is that of `keeptrace html`: its own
// Content-Security-Policy lets nothing run but its own script.

import * as vscode from "vscode";
import { startDebugging } from "./debugging";
import { keeptrace, pythonFor } from "./python";

export const REPORT = "keeptrace.report";

export class ReportEditor implements vscode.CustomReadonlyEditorProvider {
  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => undefined };
  }

  async resolveCustomEditor(
    document: vscode.CustomDocument,
    panel: vscode.WebviewPanel,
  ): Promise<void> {
    panel.webview.options = { enableScripts: true, localResourceRoots: [] };
    panel.webview.html = await pageOf(document.uri);
    if (opensDebugger(document.uri)) {
      await startDebugging(document.uri);
    }
  }
}

/** Whether a double-click also opens the debugger; the command for the report asks for the report. */
function opensDebugger(dump: vscode.Uri): boolean {
  const isWanted = wanted.delete(dump.toString());
  const setting = vscode.workspace.getConfiguration("keeptrace", dump).get<string>("open");
  return setting === "debugger" && !isWanted;
}

const wanted = new Set<string>();

/** Opens a dump as a report, whatever a double-click does. */
export async function openReport(dump: vscode.Uri): Promise<void> {
  wanted.add(dump.toString());
  await vscode.commands.executeCommand("vscode.openWith", dump, REPORT);
  wanted.delete(dump.toString());
}

async function pageOf(dump: vscode.Uri): Promise<string> {
  try {
    return await keeptrace(await pythonFor(dump), "html", dump.fsPath, "-o", "-");
  } catch (problem) {
    const reason = problem instanceof Error ? problem.message : String(problem);
    return `<!DOCTYPE html><html><body><h2>No report</h2><pre>${escaped(reason)}</pre></body></html>`;
  }
}

function escaped(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
