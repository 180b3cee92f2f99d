// The Python that has keeptrace, and running its commands.

import { execFile } from "node:child_process";
import * as vscode from "vscode";

// A report of the largest dumps has some megabytes. (bytes)
const MOST_OUTPUT = 256 * 1024 * 1024;
const INSTALL = "pip install 'keeptrace-concurrent[cli,html]'";

/** What the extension of Python offers to others, as far as it is used here. */
interface PythonExtension {
  environments?: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { path: string } | undefined;
  };
}

/** The Python for a dump: the setting, else the one that the Python extension has chosen. */
export async function pythonFor(dump: vscode.Uri): Promise<string> {
  const chosen = vscode.workspace.getConfiguration("keeptrace", dump).get<string>("python");
  if (chosen) {
    return chosen;
  }
  const extension = vscode.extensions.getExtension<PythonExtension>("ms-python.python");
  const offered = await extension?.activate();
  const active = offered?.environments?.getActiveEnvironmentPath(dump)?.path;
  return active || (process.platform === "win32" ? "python" : "python3");
}

/** Runs `python -m keeptrace ARGUMENTS`; its output. The error is a sentence for the user. */
export function keeptrace(python: string, ...parts: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: MOST_OUTPUT, encoding: "utf8" as const };
    execFile(python, ["-m", "keeptrace", ...parts], options, (error, stdout, stderr) => {
      if (error) {
        reject(new Error(reasonOf(python, error.message, stderr)));
      } else {
        resolve(stdout);
      }
    });
  });
}

function reasonOf(python: string, problem: string, stderr: string): string {
  if (stderr.includes("No module named keeptrace")) {
    return `${python} has no keeptrace: ${INSTALL}, or choose another in the setting keeptrace.python`;
  }
  return stderr.trim() || problem;
}
