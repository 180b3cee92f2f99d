// Opens .keeptrace files: in the debugger (debugging.ts) and as reports (report.ts).

import * as vscode from "vscode";
import { Adapters, Configurations, TYPE, startDebugging } from "./debugging";
import { openReport, REPORT, ReportEditor } from "./report";

export function activate(context: vscode.ExtensionContext): void {
  context.subscriptions.push(
    vscode.debug.registerDebugConfigurationProvider(TYPE, new Configurations()),
    vscode.debug.registerDebugAdapterDescriptorFactory(TYPE, new Adapters()),
    vscode.window.registerCustomEditorProvider(REPORT, new ReportEditor()),
    vscode.commands.registerCommand("keeptrace.debug", (dump?: vscode.Uri) => withDump(dump, startDebugging)),
    vscode.commands.registerCommand("keeptrace.report", (dump?: vscode.Uri) => withDump(dump, openReport)),
  );
}

/** Calls an action with a dump: the one that was clicked, else the one in the editor, else one that the user chooses. */
async function withDump(
  clicked: vscode.Uri | undefined,
  action: (dump: vscode.Uri) => Promise<void>,
): Promise<void> {
  const dump = clicked ?? dumpInEditor() ?? (await chosenDump());
  if (dump) {
    await action(dump);
  }
}

function dumpInEditor(): vscode.Uri | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  return input instanceof vscode.TabInputCustom && input.viewType === REPORT ? input.uri : undefined;
}

async function chosenDump(): Promise<vscode.Uri | undefined> {
  const found = await vscode.window.showOpenDialog({ filters: { Dumps: ["keeptrace"] }, title: "Open a dump" });
  return found?.[0];
}
