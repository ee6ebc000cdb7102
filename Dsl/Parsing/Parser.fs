/// Reads a script: text to syntax tree.
module CnnCluster.Dsl.Parser

open FParsec
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Parsing.ParserState
open CnnCluster.Dsl.Parsing.Mistakes
open CnnCluster.Dsl.Parsing.ParserErrors
open CnnCluster.Dsl.Parsing.ExpressionParser
open CnnCluster.Dsl.Parsing.StatementParser

let private declarationWords = Words.names Words.declarations

let private parameter =
    name .>> gap .>>. opt (skipChar '=' >>. gap >>. expression .>> gap)
    |>> fun (name, value) -> { Name = name; Default = value }

let private parameters =
    between (skipChar '(' >>. gap <?> "'('") (skipChar ')' <?> "')'") (sepBy parameter (skipChar ',' >>. gap))

/// Whether the stream stands at one of the words that begin a declaration.
let private atDeclaration (stream: Stream) =
    declarationWords
    |> List.exists (fun word -> stream.Match word && not (isWordCharacter (stream.Peek word.Length)))

/// Goes past what belongs to a declaration that could not be read: up to the next one, or to a line that is indented no
/// further than `column`.
let private skipLost column (stream: Stream) =
    let rec skip atStart =
        match stream.Peek() with
        | ' '
        | '\t' ->
            stream.Skip()
            skip atStart
        | '\n'
        | '\r' ->
            stream.SkipNewline() |> ignore
            skip true
        | ';'
        | '}' ->
            stream.Skip()
            skip true
        | '#' ->
            stream.SkipRestOfLine false
            skip atStart
        | _ when stream.IsEndOfStream -> ()
        | first when atStart && (atDeclaration stream || first <> '{' && stream.Column <= column) -> ()
        | _ ->
            skipStatement stream
            skip false

    skip false

/// What stands where a declaration should: one that is misspelt, or a statement outside of all braces.
let private unknownDeclaration (word: Name) : Parser<DeclarationKind> =
    fun stream ->
        let said message =
            { Diagnostic.error word.Span message with
                Expected = Some(Suggestion.listed declarationWords) }
            |> Suggestion.among declarationWords word.Text

        skipStatement stream

        match said $"'{word.Text}' begins no declaration" with
        | { Suggestion = Some _ } as misspelt ->
            stream.UserState.Note misspelt
            skipLost (int64 word.Span.Start.Column) stream
        | _ ->
            stream.UserState.Note(said $"'{word.Text}' stands outside of all braces")
            stream.UserState.Outside.Add word.Span.Start.Offset |> ignore
            skipLost 0L stream

        Reply UnreadDeclaration

/// Notes that something is missing in front of a brace, and goes on without.
let private missing message : Parser<'T option> =
    fun stream ->
        if stream.Peek() = '{' then
            let start = place stream

            let brace =
                { start with
                    Offset = start.Offset + 1
                    Column = start.Column + 1 }

            { File = stream.UserState.File
              Start = start
              End = brace }
            |> fun where -> Diagnostic.error where message
            |> stream.UserState.Note

            Reply None
        else
            Reply(FParsec.Primitives.Error, NoErrorMessages)

let private title message : Parser<Name option> =
    blanks
    >>. (name |>> Some <|> missing message <|> mistaken noValue |> called "a name")

let private titled message make =
    title message .>>. braced
    |>> function
        | Some name, body -> make (name, body)
        | None, _ -> UnreadDeclaration

let private block =
    let nameless =
        "a block needs a name and parameters: block residual(filters, stride = 1) { … }"

    let without =
        missing "a block has its parameters in parentheses, even where there are none: block b() { … }"

    pipe3 (title nameless) (blanks >>. (parameters |>> Some <|> without)) braced (fun name parameters body ->
        match name, parameters with
        | Some name, Some parameters -> Block(name, parameters, body)
        | _ -> UnreadDeclaration)

let private kind: Parser<DeclarationKind> =
    (name <?> "a declaration: network, train, block, shared or import")
    >>= fun word ->
        match word.Text with
        | "network" -> titled "a network needs a name: network LeNet5 { … }" Network
        | "shared" -> titled "what is shared needs a name: shared tower { … }" Shared
        | "train" -> titled "a train part bears the name of its network: train LeNet5 { … }" Train
        | "block" -> block
        | "import" -> blanks >>. spanned (quoted <?> "a path in quotes") |>> Import
        | _ -> unknownDeclaration word

let private declaration: Parser<Declaration> =
    commented (spanned kind)
    |>> fun (kind, span, comments) ->
        { Kind = kind
          Comments =
            { comments with
                Before = Asides.first comments.Before }
          Span = span }

let private strayBrace: Parser<Declaration option> =
    spanned (skipChar '}')
    >>= fun (_, span) ->
        fun stream ->
            stream.UserState.Note(Diagnostic.error span "this '}' closes nothing")
            Reply None

let private unread (stream: Stream) span =
    skipLost (int64 span.Start.Column) stream

    { Kind = UnreadDeclaration
      Comments = Comments.none
      Span = span }

/// A declaration with statements behind its end was closed too early: what it lacks would only be complained of again.
let private withoutTorn (state: State) declarations =
    let isOutside (declaration: Declaration) =
        state.Outside.Contains declaration.Span.Start.Offset

    (declarations, (false, []))
    ||> List.foldBack (fun declaration (torn, rest) ->
        let kind = if torn then UnreadDeclaration else declaration.Kind
        isOutside declaration, { declaration with Kind = kind } :: rest)
    |> snd

let private script: Parser<Script> =
    many (
        attempt (
            separators
            >>. notFollowedBy eof
            >>. (strayBrace <|> (recovering id unread declaration |>> Some))
        )
    )
    .>> separators
    |>> List.choose id
    >>= fun declarations ->
        fun stream ->
            Reply(
                { Declarations = withoutTorn stream.UserState declarations
                  Closing = Asides.alone (stream.UserState.TakeBefore(int stream.Index)) }
            )

let private read trustsIndentation (source: Source) =
    match runParserOnString script (State(source, trustsIndentation)) source.File source.Text with
    | Success(tree, state, _) -> tree, state
    | Failure(message, _, _) -> invalidOp $"The grammar recovers from every error, but not from this: {message}"

/// The tree of a script, as far as it could be read, and all that is wrong with its form.
let parse (source: Source) : Script * Diagnostic list =
    match Limits.exceeded source with
    | Some diagnostic -> { Declarations = []; Closing = [] }, [ diagnostic ]
    | None ->
        let tree, state =
            match read false source with
            | _, first when first.Unclosed && first.Slanted -> read true source
            | result -> result

        tree, List.ofSeq state.Diagnostics.Values
