/// What the parsers share: places, blanks, comments, and errors that do not end the parse.
module internal CnnCluster.Dsl.Parsing.ParserState

open System.Collections.Generic
open FParsec
open CnnCluster.Dsl

/// Both collections are keyed by offset: a parser that looks ahead and comes back notes the same thing twice.
type State(file: string) =
    member _.File = file
    /// Comments that belong to no statement yet.
    member val Comments = SortedDictionary<int, string>()
    member val Diagnostics = SortedDictionary<int, Diagnostic>()
    /// How many brackets are open around what is being read.
    member val Depth = 0 with get, set

    /// Keeps the first error at a place; what follows from it is noise.
    member state.Note(diagnostic: Diagnostic) =
        let offset = diagnostic.Span.Start.Offset

        if not (state.Diagnostics.ContainsKey offset) then
            state.Diagnostics[offset] <- diagnostic

type Parser<'T> = Parser<'T, State>
type Stream = CharStream<State>

let place (stream: Stream) : Position =
    { Offset = int stream.Index
      Line = int stream.Line
      Column = int stream.Column }

let position: Parser<Position> = fun stream -> Reply(place stream)

let span (stream: Stream) start : Span =
    { File = stream.UserState.File
      Start = start
      End = place stream }

/// A parser's result with the span it was read from; the parser must leave blanks behind it unread.
let spanned (parser: Parser<'T>) : Parser<'T * Span> =
    fun stream ->
        let start = place stream
        let reply = parser stream

        if reply.Status = Ok then
            Reply((reply.Result, span stream start))
        else
            Reply(reply.Status, reply.Error)

let blanks: Parser<unit> = skipManySatisfy (fun c -> c = ' ' || c = '\t')

let comment: Parser<unit> =
    fun stream ->
        let offset = int stream.Index

        if stream.Skip '#' then
            stream.UserState.Comments[offset] <- stream.ReadRestOfLine(false).Trim()
            Reply(())
        else
            Reply(FParsec.Primitives.Error, expected "a comment")

/// Blanks, line ends and comments: where a line's end means nothing.
let gap: Parser<unit> = skipMany (skipAnyOf " \t" <|> skipNewline <|> comment)

/// Looks past a gap for what continues a statement; if it is not there, nothing was read and no comment noted.
let past (continuation: Parser<unit>) : Parser<unit> =
    fun stream ->
        let mutable start = stream.State
        let offset = int stream.Index
        gap stream |> ignore

        if (continuation stream).Status = Ok then
            Reply(())
        else
            stream.BacktrackTo(&start)

            for later in
                stream.UserState.Comments.Keys
                |> Seq.filter (fun key -> key >= offset)
                |> Seq.toList do
                stream.UserState.Comments.Remove later |> ignore

            Reply(FParsec.Primitives.Error, NoErrorMessages)

/// What stands between statements.
let separators: Parser<unit> =
    skipMany (skipAnyOf " \t;" <|> skipNewline <|> comment)

/// Takes the comments noted so far.
let takeComments (stream: Stream) =
    let texts = List.ofSeq stream.UserState.Comments.Values
    stream.UserState.Comments.Clear()
    texts

/// Fails here for good, with a message of our own.
let refuse message : Parser<'T> =
    fun _ -> Reply(FatalError, messageError message)

/// Brackets nested deeper than this are refused: the parsers call themselves for each level.
let private deepest = 100

/// A parser of something in brackets.
let deeper (parser: Parser<'T>) : Parser<'T> =
    fun stream ->
        let state = stream.UserState

        if state.Depth = deepest then
            refuse $"brackets and branches nest at most {deepest} deep" stream
        else
            state.Depth <- state.Depth + 1
            let reply = parser stream
            state.Depth <- state.Depth - 1
            reply

/// Says what was expected where a parser finds nothing of its own; unlike `<?>`, keeps what was refused.
let called label (parser: Parser<'T>) : Parser<'T> =
    fun stream ->
        let tag = stream.StateTag
        let reply = parser stream

        if reply.Status = FParsec.Primitives.Error && stream.StateTag = tag then
            Reply(FParsec.Primitives.Error, expected label)
        else
            reply

let isWordCharacter c = isLetter c || isDigit c || c = '_'

/// Goes past the rest of a statement that could not be read: to the end of its line, over any braces it opens, and
/// not past a brace that closes what it stands in.
let skipStatement (stream: Stream) =
    let rec skip depth =
        match stream.Peek() with
        | '{' ->
            stream.Skip()
            skip (depth + 1)
        | '}' when depth = 0 -> ()
        | '}' ->
            stream.Skip()
            skip (depth - 1)
        | '#' ->
            stream.SkipRestOfLine false
            skip depth
        | '\n'
        | '\r'
        | ';' when depth = 0 -> ()
        | '\n'
        | '\r' ->
            stream.SkipNewline() |> ignore
            skip depth
        | c when c = CharStream.EndOfStreamChar && stream.IsEndOfStream -> ()
        | _ ->
            stream.Skip()
            skip depth

    skip 0
