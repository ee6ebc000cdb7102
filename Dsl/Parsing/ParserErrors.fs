/// Turns FParsec's errors into diagnostics.
module internal CnnCluster.Dsl.Parsing.ParserErrors

open System
open FParsec
open CnnCluster.Dsl
open CnnCluster.Dsl.Parsing.ParserState

type private Parts =
    { Messages: string list
      Expected: string list }

let rec private collect parts (error: ErrorMessage) =
    match error with
    | Message text ->
        { parts with
            Messages = text :: parts.Messages }
    | Expected label ->
        { parts with
            Expected = label :: parts.Expected }
    | ExpectedString text
    | ExpectedStringCI text ->
        { parts with
            Expected = ("'" + text + "'") :: parts.Expected }
    | CompoundError(label, _, _, _) ->
        { parts with
            Expected = label :: parts.Expected }
    | NestedError(_, _, inner) -> collectAll parts inner
    | _ -> parts

and private collectAll parts (errors: ErrorMessageList) =
    ErrorMessageList.ToSortedArray errors |> Array.fold collect parts

/// The word, or the one character, that stands where the parser stopped, and its length.
let private tokenAt (stream: Stream) =
    let rec width (n: int) =
        if isWordCharacter (stream.Peek n) then width (n + 1) else n

    let first = stream.Peek()

    if stream.IsEndOfStream then
        "the end of the file", 0
    elif first = '\n' || first = '\r' then
        "the end of the line", 1
    elif Char.IsControl first || first = '\uFFFF' then
        $"the character U+{int first:X4}", 1
    elif Char.IsSurrogatePair(first, stream.Peek 1) then
        $"'{stream.PeekString 2}'", 2
    else
        let text = stream.PeekString(max 1 (width 0))
        "'" + Suggestion.shortened text + "'", text.Length

let toDiagnostic (stream: Stream) (errors: ErrorMessageList) =
    let token, width = tokenAt stream
    let start = place stream
    let parts = collectAll { Messages = []; Expected = [] } errors

    let where: Span =
        { File = stream.UserState.File
          Start = start
          End =
            { start with
                Offset = start.Offset + width
                Column = start.Column + width } }

    match parts.Messages with
    | message :: _ -> Diagnostic.error where message
    | [] ->
        { Diagnostic.error where (token + " is not expected here") with
            Expected =
                match List.distinct (List.sort parts.Expected) with
                | [] -> None
                | expected -> Some(Suggestion.listed expected) }

/// Runs a parser; where it fails, notes the error as `said`, skips the statement and goes on with what stands for it.
let recovering (said: Diagnostic -> Diagnostic) (unread: Stream -> Span -> 'T) (parser: Parser<'T>) : Parser<'T> =
    fun stream ->
        let start = place stream
        let reply = parser stream

        if reply.Status = Ok then
            reply
        else
            if not stream.UserState.IsFull then
                toDiagnostic stream reply.Error |> said |> stream.UserState.Note

            skipStatement stream
            Reply(unread stream (span stream start))
