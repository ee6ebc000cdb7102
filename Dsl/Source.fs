namespace CnnCluster.Dsl

open System

/// A place in a script. Lines and columns count from 1; a column is one UTF-16 unit.
[<Struct>]
type Position = { Offset: int; Line: int; Column: int }

/// A stretch of one file, from `Start` up to, but without, `End`.
[<Struct>]
type Span =
    { File: string
      Start: Position
      End: Position }

module Span =
    let nowhere =
        { File = ""
          Start = { Offset = 0; Line = 1; Column = 1 }
          End = { Offset = 0; Line = 1; Column = 1 } }

    /// Of the whole file, and so of no line in it.
    let isNowhere (span: Span) =
        span.Start.Offset = 0 && span.End.Offset = 0

    let merge first last =
        { File = first.File
          Start = first.Start
          End = last.End }

/// The text of one script, kept so that messages can show the line they speak of.
type Source = { File: string; Text: string }

/// A change of the train part that was said on the command line: `--set batch=64`. It is read within a script of its own, whose
/// second line is its word and value; messages show what was said.
module CommandLine =
    [<Literal>]
    let Prefix = "--set "

    let isOn (span: Span) = span.File.StartsWith Prefix

    let sourceOf (text: string) word setting value =
        { File = Prefix + text
          Text = $"train x {{\n{word} {setting}{value}\n}}" }

    /// What was said, and the column of a place in the second line there.
    let said (source: Source) column =
        let text = source.File.Substring Prefix.Length
        let line = (source.Text.Split '\n')[1]
        text, max 1 (column + text.Length - line.Length)

/// The lines of a text: they end with a line feed, a carriage return or both.
module Lines =
    /// Where the line ends that goes on at `start`.
    let endOf (text: string) (start: int) =
        match text.AsSpan(start).IndexOfAny('\n', '\r') with
        | -1 -> text.Length
        | length -> start + length

    /// Where the next line begins behind a line's end.
    let after (text: string) finish =
        if text[finish] = '\r' && finish + 1 < text.Length && text[finish + 1] = '\n' then
            finish + 2
        else
            finish + 1

type Severity =
    | Error
    | Warning

/// One thing that is wrong with a script. `Uses` is the chain of block uses that led to it, innermost first.
type Diagnostic =
    { Severity: Severity
      Span: Span
      Message: string
      Expected: string option
      Suggestion: string option
      Uses: (string * Span) list }

module Diagnostic =
    let error span message =
        { Severity = Error
          Span = span
          Message = message
          Expected = None
          Suggestion = None
          Uses = [] }

    let warning span message =
        { error span message with
            Severity = Warning }
