/// Shows diagnostics to people: place, source line, caret, what was expected, what was probably meant.
module CnnCluster.Dsl.Report

open System
open System.Text

let private severity =
    function
    | Error -> "error"
    | Warning -> "warning"

let place (span: Span) =
    $"{span.File}:{span.Start.Line}:{span.Start.Column}"

let private lineOf (source: Source) (span: Span) =
    let lines = source.Text.Split([| "\r\n"; "\n"; "\r" |], StringSplitOptions.None)
    if span.Start.Line <= lines.Length then lines[span.Start.Line - 1] else ""

/// Tabs stay tabs, so that the caret stands under what it means.
let private indentTo column (line: string) =
    String([| for c in line |> Seq.truncate (column - 1) -> if c = '\t' then '\t' else ' ' |]).PadRight(column - 1)

let private caret (line: string) (span: Span) =
    let width =
        if span.End.Line = span.Start.Line then
            span.End.Column - span.Start.Column
        else
            line.Length - span.Start.Column + 1

    indentTo span.Start.Column line + String('^', max 1 width)

/// One diagnostic, over several lines, without a line break at the end.
let render (source: Source) (diagnostic: Diagnostic) =
    let text = StringBuilder()

    let add (line: string) =
        text.Append('\n').Append(line) |> ignore

    text.Append $"{place diagnostic.Span}: {severity diagnostic.Severity}: {diagnostic.Message}"
    |> ignore

    let line = lineOf source diagnostic.Span

    if source.File = diagnostic.Span.File && line <> "" then
        let number = string diagnostic.Span.Start.Line
        let margin = String(' ', number.Length)
        add $"  {number} | {line}"
        add $"  {margin} | {caret line diagnostic.Span}"

    diagnostic.Expected
    |> Option.iter (fun expected -> add $"  expected {expected}")

    diagnostic.Suggestion
    |> Option.iter (fun word -> add $"  did you mean '{word}'?")

    for name, span in diagnostic.Uses do
        add $"  in '{name}', used at {place span}"

    text.ToString()

/// In the order of their places, each thing said once, though a block may be used many times.
let ordered (diagnostics: Diagnostic seq) =
    diagnostics
    |> Seq.distinctBy (fun d -> d.Span, d.Severity, d.Message)
    |> Seq.sortBy (fun d -> d.Span.File, d.Span.Start.Offset)
    |> Seq.toList

let hasErrors (diagnostics: Diagnostic seq) =
    diagnostics |> Seq.exists (fun d -> d.Severity = Error)
