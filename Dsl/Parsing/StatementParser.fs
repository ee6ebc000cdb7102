/// Statements and the bodies they stand in.
module internal CnnCluster.Dsl.Parsing.StatementParser

open FParsec
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Parsing.ParserState
open CnnCluster.Dsl.Parsing.Layout
open CnnCluster.Dsl.Parsing.Mistakes
open CnnCluster.Dsl.Parsing.ParserErrors
open CnnCluster.Dsl.Parsing.ExpressionParser

let private endsHere: Parser<unit> =
    fun stream ->
        if
            isAnyOf "\n\r;}#" (stream.Peek())
            || stream.IsEndOfStream
            || isForeignComment stream
        then
            Reply(())
        else
            Reply(FParsec.Primitives.Error, NoErrorMessages)

let private statementEnd =
    endsHere <|> mistaken noEnd |> called "the end of the line"

/// The comment on the line's rest, behind a `;` perhaps.
let trailingComment: Parser<string option> =
    fun stream ->
        let mutable start = stream.State
        (skipManySatisfy (fun c -> c = ' ' || c = '\t' || c = ';')) stream |> ignore

        if stream.Peek() = '#' then
            let text = stream.UserState.TakeAt(int stream.Index)
            stream.SkipRestOfLine false
            Reply text
        else
            if isForeignComment stream then
                foreignComment stream
            else
                stream.BacktrackTo(&start)

            Reply None

let body, private bodyRef = createParserForwardedToRef<Body, State>()

/// A line's end before `{` is a blank.
let private bracedOr mistakes =
    past (followedBy (skipChar '{')) >>. body
    <|> (blanks >>. (body <|> mistaken mistakes |> called "'{'"))

/// A body behind a name.
let braced = bracedOr noBody

/// A body behind an expression.
let private bracedHere = bracedOr noBodyHere

let private keyed =
    attempt (name .>> skipChar '=' .>> notFollowedBy (skipChar '='))
    .>>. (notFollowedBy (skipAnyOf " \t") >>. tight
          <|> refuse "a setting has no blanks around its '=': write key=value")
    |>> Keyword

/// `filters * 4` would be three arguments: say how it is written.
let private strayOperator: Parser<Argument> =
    let stray = skipAnyOf "*/+=<>!" <|> (skipChar '-' .>> followedBy (skipAnyOf " \t"))

    followedBy stray
    >>. refuse "an argument has no blanks around its operators: write a*b or (a * b), and key=value"

let private positional = tight |>> Positional

let private argument =
    (body |>> Branch)
    <|> mistaken arrows
    <|> strayOperator
    <|> keyed
    <|> positional
    <|> mistaken noArgument
    |> called "an argument"

let private asWord =
    attempt (skipString "as" .>> notFollowedBy (satisfy isWordCharacter) >>. blanks)

/// Another branch, behind a line's end perhaps.
let private nextBranch = past (followedBy (skipChar '{')) >>. body |>> Branch

let private argumentsAndLabel =
    let ending = (silent asWord >>. required |>> Some) <|> (statementEnd >>% None)

    let next =
        nextBranch <|> (silent (notFollowedBy (asWord <|> endsHere)) >>. argument)

    blanks >>. (assignment <|> preturn ()) >>. many (next .>> blanks) .>>. ending

let private useOf word =
    argumentsAndLabel |>> fun (arguments, label) -> Use(word, arguments, label)

let private conditional, private conditionalRef =
    createParserForwardedToRef<StatementKind, State>()

let private elseIf =
    attempt (skipString "if" .>> notFollowedBy (satisfy isWordCharacter))

let private elseBranch =
    let asBody (kind, span) : Body =
        Body.ofStatements
            [ { Kind = kind
                Comments = Comments.none
                Span = span } ]
            span

    let word text =
        skipString text .>> notFollowedBy (satisfy isWordCharacter)

    let foreign =
        past (followedBy (word "elif" <|> word "elseif"))
        >>. gap
        >>. refuse "write else if"

    past (word "else")
    >>. gap
    >>. ((spanned (elseIf >>. blanks >>. deeper conditional) |>> asBody)
         <|> (body <|> mistaken noBody |> called "'{'"))
    <|> foreign

conditionalRef.Value <-
    pipe3 expression bracedHere (opt elseBranch) (fun condition whenTrue whenFalse ->
        If(condition, whenTrue, whenFalse))

let private loop =
    let names =
        attempt (
            sepBy1 (name .>> blanks) (skipChar ',' >>. blanks)
            .>> skipString "in"
            .>> blanks
        )

    let upTo = attempt (blanks >>. skipString ".." >>. blanks) >>. expression

    pipe4 (names <|> preturn []) expression (opt upTo) bracedHere (fun names over upTo body ->
        Repeat(names, over, upTo, body))

let private definition =
    required .>> blanks .>> (skipChar '=' <?> "'='") .>> blanks .>>. expression
    |>> Let

let private kind: Parser<StatementKind> =
    name
    >>= fun word ->
        let following parser = blanks >>. parser

        match word.Text with
        | "if" -> following conditional
        | "repeat" -> following loop
        | "let" -> following definition
        | "defaults" -> braced |>> Defaults
        | "as" -> following required |>> As
        | "from" -> following required |>> From
        | "output" -> following required |>> Output
        | "else" -> refuse "this 'else' follows no 'if'"
        | _ -> useOf word

/// What has comments of its own: those in front, inside and behind are taken, the ones from inside to the front.
let commented (parser: Parser<'T * Span>) : Parser<'T * Span * Comments> =
    fun stream ->
        let state = stream.UserState
        let before = state.TakeBefore(int stream.Index)
        state.Inside.Clear()
        let reply = (parser .>>. trailingComment) stream

        if reply.Status = Ok then
            let (result, span), after = reply.Result
            state.TakeBefore span.End.Offset |> List.iter state.Inside.Add
            let inside = state.Inside |> Seq.filter ((<>) BlankLine) |> List.ofSeq

            Reply(
                (result,
                 span,
                 { Before = before @ inside
                   After = after })
            )
        else
            Reply(reply.Status, reply.Error)

let private statement: Parser<Statement> =
    commented (spanned kind .>> blanks .>> statementEnd)
    |>> fun (kind, span, comments) ->
        { Kind = kind
          Comments = comments
          Span = span }

/// What stands for a statement that could not be read.
let private unreadAs (word: Name option) _ span : Statement =
    { Kind = Unread word
      Comments = Comments.none
      Span = span }

/// The statement, and if it cannot be read, what is known of it.
let private recovered: Parser<Statement> =
    lookAhead (opt name)
    >>= fun word ->
        let said =
            word
            |> Option.bind (fun word -> Suggestion.translated word.Text)
            |> Option.map (fun ours diagnostic ->
                { diagnostic with
                    Suggestion = Some ours })
            |> Option.defaultValue id

        recovering said (unreadAs word) statement

let private contents: Parser<Statement list> =
    let ending = skipChar '}' <|> nextDeclaration <|> outside <|> eof
    many (attempt (separators >>. notFollowedBy ending >>. recovered))

/// Reads the closing brace, or says that it is missing. `finish` is where the last statement ended.
let private close (opening: Span) (finish: CharStreamState<State>) (stream: Stream) =
    let state = stream.UserState

    if (outside stream).Status = Ok then
        let mutable finish = finish
        state.Note(Diagnostic.error opening $"this '{{' is never closed, and line {stream.Line} stands further out")

        stream.BacktrackTo(&finish)
    elif stream.Peek() = '}' then
        let width, first = margin stream
        state.Slanted <- state.Slanted || first && width < state.Indentation
        stream.Skip()
    elif not state.TooDeep then
        state.Unclosed <- true
        state.Note(Diagnostic.error opening "this '{' is never closed")

let private bodyHere: Parser<Body> =
    fun stream ->
        let state = stream.UserState
        let start = place stream
        let indentation = fst (margin stream)

        if not (stream.Skip '{') then
            Reply(FParsec.Primitives.Error, expected "'{'")
        else
            let brace = span stream start
            let outer, outerIndentation = state.Inside, state.Indentation
            state.TakeBefore start.Offset |> List.iter outer.Add
            state.Inside <- ResizeArray()
            state.Indentation <- indentation
            let opening = (trailingComment stream).Result
            let statements = (contents stream).Result
            let finish = stream.State
            separators stream |> ignore
            let closing = state.TakeBefore(int stream.Index)
            close brace finish stream
            state.Inside <- outer
            state.Indentation <- outerIndentation

            Reply(
                Body.settled
                    { Opening = opening
                      Statements = statements
                      Closing = closing
                      Span = span stream start }
            )

bodyRef.Value <- deeper bodyHere
