// Runs `cnn check --json` on a script when it is opened or saved, and shows what it says.
'use strict';

const { execFile } = require('node:child_process');
const path = require('node:path');
const vscode = require('vscode');
const { parse } = require('./diagnostics');

// Where the script was right or wrong; anything else is no verdict on it.
const VERDICTS = [0, 2];
const PATIENCE_MS = 60_000;

function toRange(range) {
  return new vscode.Range(range.start.line, range.start.character, range.end.line, range.end.character);
}

function uriOf(file, folder) {
  return vscode.Uri.file(path.resolve(folder, file));
}

function toDiagnostic(found, folder) {
  const severity = found.severity === 'error' ? vscode.DiagnosticSeverity.Error : vscode.DiagnosticSeverity.Warning;
  const diagnostic = new vscode.Diagnostic(toRange(found.range), found.message, severity);
  diagnostic.source = 'cnn';
  diagnostic.relatedInformation = found.related.map(use =>
    new vscode.DiagnosticRelatedInformation(new vscode.Location(uriOf(use.file, folder), toRange(use.range)), use.message));
  return diagnostic;
}

// By file: what a script imports has its own mistakes.
function byFile(found, folder) {
  const files = new Map();
  for (const one of found) {
    const uri = uriOf(one.file, folder).toString();
    files.set(uri, [...(files.get(uri) ?? []), toDiagnostic(one, folder)]);
  }
  return files;
}

function run(file, folder) {
  const [program, ...before] = vscode.workspace.getConfiguration('cnn').get('command');
  return new Promise((resolve, reject) => {
    execFile(program, [...before, 'check', '--json', file], { cwd: folder, timeout: PATIENCE_MS, maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        const code = error ? error.code : 0;
        if (VERDICTS.includes(code)) resolve({ stdout, stderr });
        else reject(new Error(code === 'ENOENT' ? `'${program}' was not found: set cnn.command` : stderr || error.message));
      });
  });
}

function activate(context) {
  const collection = vscode.languages.createDiagnosticCollection('cnn');
  const output = vscode.window.createOutputChannel('CnnCluster');
  // By checked script: the files that its last check said something about, so that they can be cleared.
  const spoken = new Map();

  function show(script, files) {
    for (const uri of spoken.get(script) ?? []) collection.delete(vscode.Uri.parse(uri));
    for (const [uri, diagnostics] of files) collection.set(vscode.Uri.parse(uri), diagnostics);
    spoken.set(script, [...files.keys()]);
  }

  async function check(document) {
    if (document.languageId !== 'cnn' || document.uri.scheme !== 'file' || !vscode.workspace.isTrusted) return;
    const folder = path.dirname(document.uri.fsPath);
    const version = document.version;
    try {
      const { stdout, stderr } = await run(document.uri.fsPath, folder);
      if (document.isClosed || document.version !== version) return;
      if (stdout === '' && stderr !== '') output.appendLine(stderr);
      show(document.uri.toString(), byFile(parse(stdout), folder));
    } catch (error) {
      output.appendLine(String(error.message ?? error));
      vscode.window.setStatusBarMessage('cnn check did not run: see the output of CnnCluster', 5000);
    }
  }

  function checkIfAsked(document) {
    return vscode.workspace.getConfiguration('cnn').get('checkOnSave') ? check(document) : undefined;
  }

  context.subscriptions.push(
    collection,
    output,
    vscode.workspace.onDidOpenTextDocument(checkIfAsked),
    vscode.workspace.onDidSaveTextDocument(checkIfAsked),
    vscode.workspace.onDidCloseTextDocument(document => show(document.uri.toString(), new Map())),
    vscode.commands.registerCommand('cnn.check', () => {
      const editor = vscode.window.activeTextEditor;
      return editor ? check(editor.document) : undefined;
    }));
  vscode.workspace.textDocuments.forEach(checkIfAsked);
}

module.exports = { activate };
