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

/// A setting of a train part as the command line says it, `NAME=VALUE`: alone, or as a part of what an option takes, or
/// by an option of its own, `--NAME VALUE`.
type Change =
    {
        /// The option, where it is no part of what was said: one of `CommandLine`'s.
        Option: string option
        /// All that it was given; an option of its own is a part of it.
        Said: string
        /// Where the setting begins there.
        At: int
        /// The setting.
        Text: string
    }

    /// All that `--set` was given.
    static member Set text =
        { Option = Some "--set"
          Said = text
          At = 0
          Text = text }

    /// One of the settings that `--vary` was given.
    static member Vary(said, at, text) =
        { Option = Some "--vary"
          Said = said
          At = at
          Text = text }

    /// An option of the setting's own name.
    static member Own(name: string, value: string) =
        { Option = None
          Said = $"--{name} {value}"
          At = 2
          Text = $"{name}={value}" }

/// Changes as sources of their own, so that what is wrong with them has a place. They are read within a train part around
/// them; messages show what was said.
module CommandLine =
    let private options = [ "--set "; "--vary "; "--epochs " ]

    /// As long as what stands in front of it in messages, which is not shown.
    let private opening = "train x {\n"

    let isOn (span: Span) =
        options |> List.exists span.File.StartsWith

    /// What was said, each character at the offset that it has in `read`.
    let shown (change: Change) =
        { File =
            match change.Option with
            | Some option -> $"{option} {change.Said}"
            | None -> change.Said
          Text = opening + change.Said }

    /// The train part with a statement in place of the change, and blanks in place of what was said around it.
    let read (change: Change) (statement: string) =
        let before = change.Said.Substring(0, change.At)
        let blanks = before |> String.map (fun c -> if c = '\n' then c else ' ')

        { File = (shown change).File
          Text = $"{opening}{blanks}{statement}\n}}" }

    let private positionIn (text: string) offset =
        let before = text.Substring(0, offset)

        { Offset = offset
          Line = 1 + (before |> Seq.filter ((=) '\n') |> Seq.length)
          Column = offset - before.LastIndexOf '\n' }

    /// The whole change.
    let spanOf (change: Change) =
        let source = shown change
        let start = opening.Length + change.At

        { File = source.File
          Start = positionIn source.Text start
          End = positionIn source.Text (start + change.Text.Length) }

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
