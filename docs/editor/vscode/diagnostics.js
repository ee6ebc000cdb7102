// What `cnn check --json` prints, as plain objects in an editor's terms. Nothing here needs the editor.
'use strict';

// Lines and columns count from 1 in the program, from 0 in the editor.
function range(start, end) {
  return {
    start: { line: start.line - 1, character: start.column - 1 },
    end: { line: end.line - 1, character: end.column - 1 },
  };
}

function text(mistake) {
  const lines = [mistake.message];
  if (mistake.expected) lines.push(`expected ${mistake.expected}`);
  if (mistake.suggestion) lines.push(`did you mean '${mistake.suggestion}'?`);
  return lines.join('\n');
}

function related(use) {
  const start = { line: use.line, column: use.column };
  return { file: use.file, range: range(start, start), message: `in '${use.name}', used here` };
}

function diagnostic(mistake) {
  return {
    file: mistake.file,
    range: range(
      { line: mistake.line, column: mistake.column },
      { line: mistake.end_line, column: mistake.end_column }),
    severity: mistake.severity,
    message: text(mistake),
    suggestion: mistake.suggestion ?? null,
    related: (mistake.uses ?? []).map(related),
  };
}

// One object a line; throws a SyntaxError where a line is none.
function parse(output) {
  return output.split('\n').filter(line => line.trim() !== '').map(line => diagnostic(JSON.parse(line)));
}

module.exports = { parse };
