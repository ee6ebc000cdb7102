/// What the layout of lines tells where braces alone do not: a declaration at the beginning of its line, indentation.
module internal CnnCluster.Dsl.Parsing.Layout

open FParsec
open CnnCluster.Dsl.Parsing.ParserState

/// The next declaration, at the beginning of its line: whatever is open then was not closed.
let nextDeclaration: Parser<unit> =
    let header =
        choice [ for word in [ "network"; "train"; "shared"; "block" ] -> skipString word ]
        >>. skipMany1 (skipAnyOf " \t")
        >>. skipMany (satisfy isWordCharacter)
        >>. blanks
        >>. skipAnyOf "{("

    fun stream ->
        if stream.Column = 1L then
            followedBy header stream
        else
            Reply(FParsec.Primitives.Error, NoErrorMessages)

/// An indentation is counted up to this column.
let private widestMargin = 200

/// How many blanks the line of the current place begins with, and whether nothing else stands in front of it.
let margin (stream: Stream) =
    let column = int stream.Column - 1

    let rec width at =
        if
            at < min column widestMargin
            && (let c = stream.Peek(at - column) in c = ' ' || c = '\t')
        then
            width (at + 1)
        else
            at

    let width = width 0
    width, width = column

/// Where indentation counts: whether the line that begins here stands outside of the innermost body.
let outside: Parser<unit> =
    fun stream ->
        let state = stream.UserState
        let width, first = margin stream
        let limit = if stream.Peek() = '}' then width + 1 else width

        if
            state.TrustsIndentation
            && first
            && state.Indentation > 0
            && limit <= state.Indentation
        then
            Reply(())
        else
            Reply(FParsec.Primitives.Error, NoErrorMessages)
