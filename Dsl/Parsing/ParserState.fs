/// What the parsers share: places, blanks, comments, and errors that do not end the parse.
module internal CnnCluster.Dsl.Parsing.ParserState

open System.Collections.Generic
open FParsec
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax

type State(source: Source, trustsIndentation: bool) =
    let asides = AsideReader.read source.Text
    let mutable taken = 0

    member _.File = source.File

    /// Keyed by offset: a parser that looks ahead and comes back notes the same thing twice.
    member val Diagnostics = SortedDictionary<int, Diagnostic>()

    /// Comments from inside the statement that is being read.
    member val Inside = ResizeArray<Aside>() with get, set

    /// How many brackets are open around what is being read.
    member val Depth = 0 with get, set

    /// Whether brackets were nested too deep, so that which of them are closed is not known.
    member val TooDeep = false with get, set

    /// Whether a brace was closed by one that stands further out than what it closes.
    member val Slanted = false with get, set

    /// Whether a brace was not closed at all.
    member val Unclosed = false with get, set

    /// Whether indentation says which braces are closed: it does on a second reading, when the braces alone have failed.
    member _.TrustsIndentation = trustsIndentation

    /// The indentation of the line on which the innermost body begins.
    member val Indentation = 0 with get, set

    /// Where statements stand outside of all braces.
    member val Outside = HashSet<int>()

    /// Whether no more mistakes are noted.
    member state.IsFull = state.Diagnostics.Count >= Limits.MostMistakes

    /// Keeps the first error at a place; what follows from it is noise.
    member state.Note(diagnostic: Diagnostic) =
        if not state.IsFull then
            state.Diagnostics.TryAdd(diagnostic.Span.Start.Offset, diagnostic) |> ignore

    /// The asides in front of a place that nobody has taken yet.
    member _.TakeBefore(offset: int) =
        let first = taken

        while taken < asides.Length && asides[taken].Offset < offset do
            taken <- taken + 1

        [ for i in first .. taken - 1 -> asides[i].Aside ]

    /// The comment that begins at a place.
    member state.TakeAt(offset: int) =
        state.TakeBefore offset |> List.iter state.Inside.Add

        match Array.tryItem taken asides with
        | Some { Offset = at; Aside = Comment text } when at = offset ->
            taken <- taken + 1
            Some text
        | _ -> None

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

/// A comment. Its text is not kept here: the asides of the text are known beforehand.
let comment: Parser<unit> = skipChar '#' >>. skipRestOfLine false

/// Blanks, line ends and comments: where a line's end means nothing.
let gap: Parser<unit> =
    fun stream ->
        let rec skip () =
            match stream.Peek() with
            | ' '
            | '\t' ->
                stream.Skip()
                skip ()
            | '\n'
            | '\r' ->
                stream.SkipNewline() |> ignore
                skip ()
            | '#' ->
                stream.SkipRestOfLine false
                skip ()
            | _ -> ()

        skip ()
        Reply(())

/// Looks past a gap for what continues a statement; if it is not there, nothing was read.
let past (continuation: Parser<unit>) : Parser<unit> =
    fun stream ->
        let mutable start = stream.State
        gap stream |> ignore

        if (continuation stream).Status = Ok then
            Reply(())
        else
            stream.BacktrackTo(&start)
            Reply(FParsec.Primitives.Error, NoErrorMessages)

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
            state.TooDeep <- true
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

/// Says nothing of what was expected: for what may follow, but is not worth a mention.
let silent (parser: Parser<'T>) : Parser<'T> =
    fun stream ->
        let tag = stream.StateTag
        let reply = parser stream

        if reply.Status = FParsec.Primitives.Error && stream.StateTag = tag then
            Reply(FParsec.Primitives.Error, NoErrorMessages)
        else
            reply

let isWordCharacter c = isLetter c || isDigit c || c = '_'

/// How many brackets of the current line are open at the current place.
let private openBrackets (stream: Stream) =
    let rec count (back: int) opened =
        if back = 0 then
            opened
        else
            match stream.Peek -back with
            | '('
            | '[' -> count (back - 1) (opened + 1)
            | ')'
            | ']' -> count (back - 1) (max 0 (opened - 1))
            | _ -> count (back - 1) opened

    count (int stream.Column - 1) 0

/// Whether the next line cannot begin a statement: the further rows of a list, an `else`.
let private goesOn (stream: Stream) =
    let mutable lineEnd = stream.State
    stream.SkipNewline() |> ignore
    blanks stream |> ignore
    let first = stream.Peek()
    let isElse = stream.Match "else" && not (isWordCharacter (stream.Peek 4))

    let statement =
        isLetter first && not isElse
        || isAnyOf "{}#;/\r\n" first
        || stream.IsEndOfStream

    if statement then stream.BacktrackTo(&lineEnd)

    not statement

/// Goes past the rest of a statement that could not be read: to the end of its line and past further lines that begin
/// none, over any braces it opens, and not past a brace that closes what it stands in.
let skipStatement (stream: Stream) =
    let rec skip braces brackets =
        let further braces brackets =
            stream.Skip()
            skip braces brackets

        match stream.Peek() with
        | '{' -> further (braces + 1) brackets
        | '}' when braces = 0 -> ()
        | '}' -> further (braces - 1) brackets
        | '('
        | '[' -> further braces (brackets + 1)
        | ')'
        | ']' -> further braces (max 0 (brackets - 1))
        | '#' ->
            stream.SkipRestOfLine false
            skip braces brackets
        | '\n'
        | '\r' ->
            if braces > 0 then
                stream.SkipNewline() |> ignore
                skip braces brackets
            elif goesOn stream then
                skip braces brackets
        | ';' when braces = 0 && brackets = 0 -> ()
        | _ when stream.IsEndOfStream -> ()
        | _ -> further braces brackets

    skip 0 (openBrackets stream)
