/// Statements and the bodies they stand in.
module internal CnnCluster.Dsl.Parsing.StatementParser

open FParsec
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Parsing.ParserState
open CnnCluster.Dsl.Parsing.ParserErrors
open CnnCluster.Dsl.Parsing.ExpressionParser

let private statementEnd =
    (followedBy (skipNewline <|> skipAnyOf ";}#") <|> eof) <?> "the end of the line"

/// A comment on the line's rest.
let private trailingComment: Parser<string option> =
    fun stream ->
        let offset = int stream.Index

        if stream.Peek() = '#' then
            comment stream |> ignore
            let text = stream.UserState.Comments[offset]
            stream.UserState.Comments.Remove offset |> ignore
            Reply(Some text)
        else
            Reply None

let body, private bodyRef = createParserForwardedToRef<Body, State>()

/// A line's end before `{` is a blank.
let braced =
    past (followedBy (skipChar '{')) >>. body <|> (blanks >>. (body <?> "'{'"))

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

let private argument = (body |>> Branch) <|> keyed <|> positional

let private asWord =
    attempt (skipString "as" .>> notFollowedBy (satisfy isWordCharacter) >>. blanks)

let private endsHere = followedBy (skipNewline <|> skipAnyOf ";}#") <|> eof

/// Another branch, behind a line's end perhaps.
let private nextBranch = past (followedBy (skipChar '{')) >>. body |>> Branch

let private useOf (word: Name) : Parser<StatementKind> =
    let ending = (asWord >>. name |>> Some) <|> (endsHere >>% None)

    let next =
        nextBranch
        <|> (notFollowedBy (asWord <|> endsHere) >>. (strayOperator <|> argument))

    blanks >>. many (next .>> blanks) .>>. ending
    |>> fun (arguments, label) -> Use(word, arguments, label)

let private conditional, private conditionalRef =
    createParserForwardedToRef<StatementKind, State>()

let private elseIf =
    attempt (skipString "if" .>> notFollowedBy (satisfy isWordCharacter))

let private elseBranch =
    let asBody (kind, span) : Body =
        { Statements =
            [ { Kind = kind
                Comments = { Before = []; After = None }
                Span = span } ]
          Closing = []
          Span = span }

    past (skipString "else" .>> notFollowedBy (satisfy isWordCharacter))
    >>. gap
    >>. ((spanned (elseIf >>. blanks >>. deeper conditional) |>> asBody) <|> body)

conditionalRef.Value <-
    pipe3 expression braced (opt elseBranch) (fun condition whenTrue whenFalse -> If(condition, whenTrue, whenFalse))

let private loop =
    let names =
        attempt (
            sepBy1 (name .>> blanks) (skipChar ',' >>. blanks)
            .>> skipString "in"
            .>> blanks
        )

    let upTo = attempt (blanks >>. skipString ".." >>. blanks) >>. expression

    pipe4 (names <|> preturn []) expression (opt upTo) braced (fun names over upTo body ->
        Repeat(names, over, upTo, body))

let private definition =
    name .>> blanks .>> (skipChar '=' <?> "'='") .>> blanks .>>. expression |>> Let

let private kind: Parser<StatementKind> =
    name
    >>= fun word ->
        let following parser = blanks >>. parser

        match word.Text with
        | "if" -> following conditional
        | "repeat" -> following loop
        | "let" -> following definition
        | "defaults" -> braced |>> Defaults
        | "as" -> following name |>> As
        | "from" -> following name |>> From
        | "output" -> following name |>> Output
        | "else" -> refuse "this 'else' follows no 'if'"
        | _ -> useOf word

let private statement: Parser<Statement> =
    fun stream ->
        let before = takeComments stream
        let reply = (spanned kind .>> blanks .>> statementEnd .>>. trailingComment) stream

        if reply.Status = Ok then
            let (kind, span), after = reply.Result
            // What stood inside the statement's brackets has no line of its own any more.
            let inside = takeComments stream

            Reply(
                { Kind = kind
                  Comments =
                    { Before = before @ inside
                      After = after }
                  Span = span }
            )
        else
            Reply(reply.Status, reply.Error)

/// What stands for a statement that could not be read.
let private unreadAs (word: Name option) span : Statement =
    { Kind = Unread word
      Comments = { Before = []; After = None }
      Span = span }

/// The statement, and if it cannot be read, what is known of it.
let private recovered: Parser<Statement> =
    lookAhead (opt name) >>= fun word -> recovering (unreadAs word) statement

let private contents: Parser<Statement list> =
    many (attempt (separators >>. notFollowedBy (skipChar '}' <|> eof) >>. recovered))

let private bodyHere: Parser<Body> =
    fun stream ->
        let start = place stream

        if not (stream.Skip '{') then
            Reply(FParsec.Primitives.Error, expected "'{'")
        else
            let opening = span stream start
            let statements = (contents .>> separators) stream

            if not (stream.Skip '}') then
                stream.UserState.Note(Diagnostic.error opening "this '{' is never closed")

            Reply(
                { Statements = statements.Result
                  Closing = takeComments stream
                  Span = span stream start }
            )

bodyRef.Value <- deeper bodyHere
