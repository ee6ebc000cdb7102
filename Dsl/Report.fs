/// Shows diagnostics to people: place, source line, caret, what was expected, what was probably meant.
module CnnCluster.Dsl.Report

open System
open System.Text

let private severity =
    function
    | Error -> "error"
    | Warning -> "warning"

let place (span: Span) =
    if CommandLine.isOn span then
        span.File
    else
        $"{span.File}:{span.Start.Line}:{span.Start.Column}"

/// Of a longer line only a stretch is shown.
let private widestLine = 200

/// The line that a span begins on, or as much of it as is shown, and how many of its first characters are left out.
let private lineOf (source: Source) (span: Span) =
    let start = span.Start.Offset - (span.Start.Column - 1)

    if start < 0 || start > source.Text.Length then
        "", 0
    else
        let line = source.Text.Substring(start, Lines.endOf source.Text start - start)

        if line.Length <= widestLine then
            line, 0
        else
            let first =
                max 0 (min (span.Start.Column - 1 - widestLine / 2) (line.Length - widestLine))

            line.Substring(first, widestLine), first

/// Control characters would move the cursor, or worse.
let private printable (line: string) =
    line
    |> String.map (fun c -> if Char.IsControl c && c <> '\t' then '\uFFFD' else c)

/// Tabs stay tabs, so that the caret stands under what it means.
let private indentTo column (line: string) =
    String([| for c in line |> Seq.truncate (column - 1) -> if c = '\t' then '\t' else ' ' |]).PadRight(column - 1)

let private caret (line: string) omitted (span: Span) =
    let column = span.Start.Column - omitted
    let rest = line.Length - column + 1

    let width =
        if span.End.Line = span.Start.Line then
            min (span.End.Column - span.Start.Column) rest
        else
            rest

    indentTo column line + String('^', max 1 width)

/// One diagnostic, over several lines, without a line break at the end.
let render (source: Source) (diagnostic: Diagnostic) =
    let text = StringBuilder()

    let add (line: string) =
        text.Append('\n').Append(line) |> ignore

    text.Append $"{place diagnostic.Span}: {severity diagnostic.Severity}: {diagnostic.Message}"
    |> ignore

    let line, omitted = lineOf source diagnostic.Span

    if source.File <> diagnostic.Span.File || Span.isNowhere diagnostic.Span then
        ()
    elif CommandLine.isOn diagnostic.Span then
        add $"  | {printable line}"
        add $"  | {caret line omitted diagnostic.Span}"
    elif line <> "" then
        let number = string diagnostic.Span.Start.Line
        let margin = String(' ', number.Length)
        add $"  {number} | {printable line}"
        add $"  {margin} | {caret line omitted diagnostic.Span}"

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

/// More diagnostics than these are only counted.
[<Literal>]
let MostShown = 100

/// Diagnostics for people, one under the other, each with the line of its source; of very many, the first.
let renderAll (sources: Source seq) (diagnostics: Diagnostic seq) =
    let files = sources |> Seq.map (fun source -> source.File, source) |> readOnlyDict
    let all = Array.ofSeq diagnostics

    let render (diagnostic: Diagnostic) =
        match files.TryGetValue diagnostic.Span.File with
        | true, source -> render source diagnostic
        | _ -> render { File = ""; Text = "" } diagnostic

    let shown = all |> Seq.truncate MostShown |> Seq.map render |> String.concat "\n"

    if all.Length > MostShown then
        $"{shown}\n… and {all.Length - MostShown} more"
    else
        shown
