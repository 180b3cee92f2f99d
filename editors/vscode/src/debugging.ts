// Dumps in the debugger: the debug type "keeptrace", served by `keeptrace dap` on standard input and output.

import * as vscode from "vscode";
import { keeptrace, pythonFor } from "./python";

export const TYPE = "keeptrace";

/** Opens a dump in the debugger. */
export async function startDebugging(dump: vscode.Uri): Promise<void> {
  const folder = vscode.workspace.getWorkspaceFolder(dump);
  const name = dump.path.split("/").pop() ?? dump.path;
  const configuration = { type: TYPE, request: "launch", name, dump: dump.fsPath };
  await vscode.debug.startDebugging(folder, configuration);
}

/** Completes a configuration, and says in a sentence why a dump cannot be served. */
export class Configurations implements vscode.DebugConfigurationProvider {
  async resolveDebugConfigurationWithSubstitutedVariables(
    _folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined> {
    const dump: string | undefined = configuration.dump || (await askForDump());
    if (!dump) {
      return undefined;
    }
    const python: string = configuration.python || (await pythonFor(vscode.Uri.file(dump)));
    try {
      await keeptrace(python, "info", dump);
    } catch (problem) {
      const reason = problem instanceof Error ? problem.message : String(problem);
      await vscode.window.showErrorMessage(`keeptrace: ${reason}`);
      return undefined;
    }
    return { ...configuration, type: TYPE, request: "launch", name: dump, dump, python };
  }
}

async function askForDump(): Promise<string | undefined> {
  const filters = { Dumps: ["keeptrace"] };
  const chosen = await vscode.window.showOpenDialog({ filters, title: "Open a dump" });
  return chosen?.[0]?.fsPath;
}

export class Adapters implements vscode.DebugAdapterDescriptorFactory {
  createDebugAdapterDescriptor(session: vscode.DebugSession): vscode.DebugAdapterDescriptor {
    const { dump, python, live } = session.configuration;
    const options = live === true ? ["--live"] : [];
    return new vscode.DebugAdapterExecutable(python, ["-m", "keeptrace", "dap", dump, ...options]);
  }
}
