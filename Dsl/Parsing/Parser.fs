/// Reads a script: text to syntax tree.
module CnnCluster.Dsl.Parser

open FParsec
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Parsing.ParserState
open CnnCluster.Dsl.Parsing.ParserErrors
open CnnCluster.Dsl.Parsing.ExpressionParser
open CnnCluster.Dsl.Parsing.StatementParser

let private declarationWords = [ "network"; "train"; "block"; "shared"; "import" ]

let private parameter =
    name .>> gap .>>. opt (skipChar '=' >>. gap >>. expression .>> gap)
    |>> fun (name, value) -> { Name = name; Default = value }

let private parameters =
    between (skipChar '(' >>. gap <?> "'('") (skipChar ')' <?> "')'") (sepBy parameter (skipChar ',' >>. gap))

let private unknownDeclaration (word: Name) : Parser<DeclarationKind> =
    fun stream ->
        { Diagnostic.error word.Span $"'{word.Text}' begins no declaration" with
            Expected = Some(Suggestion.listed declarationWords) }
        |> Suggestion.among declarationWords word.Text
        |> stream.UserState.Note

        skipStatement stream
        Reply UnreadDeclaration

let private kind: Parser<DeclarationKind> =
    let titled make = blanks >>. name .>>. braced |>> make

    (name <?> "a declaration: network, train, block, shared or import")
    >>= fun word ->
        match word.Text with
        | "network" -> titled Network
        | "shared" -> titled Shared
        | "train" -> titled Train
        | "block" ->
            pipe3 (blanks >>. name) (blanks >>. parameters) braced (fun name parameters body ->
                Block(name, parameters, body))
        | "import" -> blanks >>. spanned (quoted <?> "a path in quotes") |>> Import
        | _ -> unknownDeclaration word

let private declaration: Parser<Declaration> =
    fun stream ->
        let before = takeComments stream
        let reply = (spanned kind .>> blanks) stream

        if reply.Status = Ok then
            let kind, span = reply.Result

            Reply(
                { Kind = kind
                  Comments = { Before = before; After = None }
                  Span = span }
            )
        else
            Reply(reply.Status, reply.Error)

let private strayBrace: Parser<Declaration option> =
    spanned (skipChar '}')
    >>= fun (_, span) ->
        fun stream ->
            stream.UserState.Note(Diagnostic.error span "this '}' closes nothing")
            Reply None

let private unread span =
    { Kind = UnreadDeclaration
      Comments = { Before = []; After = None }
      Span = span }

let private script: Parser<Script> =
    many (
        attempt (
            separators
            >>. notFollowedBy eof
            >>. (strayBrace <|> (recovering unread declaration |>> Some))
        )
    )
    .>> separators
    |>> List.choose id
    >>= fun declarations ->
        fun stream ->
            Reply(
                { Declarations = declarations
                  Closing = takeComments stream }
            )

/// The tree of a script, as far as it could be read, and all that is wrong with its form.
let parse (source: Source) : Script * Diagnostic list =
    match runParserOnString script (State source.File) source.File source.Text with
    | Success(tree, state, _) -> tree, List.ofSeq state.Diagnostics.Values
    | Failure(message, _, _) -> invalidOp $"The grammar recovers from every error, but not from this: {message}"
