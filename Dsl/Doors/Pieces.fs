/// Pieces of a script as text, which the embedded form and the builder take where the script has them: read by the
/// script's own parser, so that they mean the same.
module internal CnnCluster.Dsl.Doors.Pieces

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax

/// A piece is the program's text: what is wrong with it is the caller's argument, shown as the script would show it.
let private refuse what (piece: string) (source: Source) (diagnostics: Diagnostic list) =
    let details =
        diagnostics
        |> List.map (fun diagnostic -> "\n" + Report.render source diagnostic)
        |> String.concat ""

    invalidArg (nameof piece) $"\"{piece}\" is no {what}.{details}"

let private declaration what piece text pick =
    let source = { File = what; Text = text }

    match Parser.parse source with
    | { Declarations = [ { Kind = kind; Comments = comments } ]
        Closing = [] },
      [] when comments = Comments.none -> pick kind
    | _ -> None
    |> Option.defaultWith (fun () -> refuse what piece source (snd (Parser.parse source)))

/// The one statement of a body that `text` is, without comments.
let private statement what (piece: string) text pick =
    declaration what piece $"network n {{\n{text}\n}}" (function
        | Network(_,
                  { Statements = [ { Kind = kind; Comments = comments } ]
                    Closing = [] }) when comments = Comments.none -> pick kind
        | _ -> None)

let private isEmpty (body: Body) = body.Statements.IsEmpty

/// An argument's value: `5x5`, `filters*4`, `[k 3]`.
let argument piece =
    statement "value" piece $"x {piece}" (function
        | Use(_, [ Positional value ], None) -> Some value
        | _ -> None)

/// A name of the script's.
let name piece =
    statement "name" piece $"as {piece}" (function
        | As name -> Some name
        | _ -> None)

/// A key: a name that may be a word of the language.
let key piece =
    statement "setting's name" piece $"x {piece}=1" (function
        | Use(_, [ Keyword(name, _) ], None) -> Some name
        | _ -> None)

/// A word that a statement may begin with.
let word piece =
    statement "word" piece $"{piece} 1" (function
        | Use(word, [ Positional { Kind = Number 1.0 } ], None) -> Some word
        | _ -> None)

/// What stands behind `if`: `stride > 1`.
let condition piece =
    statement "condition" piece $"if {piece} {{ }}" (function
        | If(condition, yes, None) when isEmpty yes -> Some condition
        | _ -> None)

/// What stands behind `repeat`: `3`, `i in 1..n`, `a, b in [64 3; 128 4]`.
let loop piece =
    statement "head of a repeat" piece $"repeat {piece} {{ }}" (function
        | Repeat(names, over, upTo, body) when isEmpty body -> Some(names, over, upTo)
        | _ -> None)

/// The names of a `repeat` over a list: `a, b`.
let names piece =
    statement "list of names" piece $"repeat {piece} in 1 {{ }}" (function
        | Repeat(names, { Kind = Number 1.0 }, None, body) when isEmpty body -> Some names
        | _ -> None)

/// What stands behind `let`: `wide = filters * 4`.
let definition piece =
    statement "definition" piece $"let {piece}" (function
        | Let(name, value) -> Some(name, value)
        | _ -> None)

/// What an `import` has in quotes.
let path piece =
    declaration "path" piece $"import {ExpressionPrinter.quoted piece}" (function
        | Import(read, _) when read = piece -> Some piece
        | _ -> None)

/// What stands behind `block`: `cell(filters, stride = 1)`.
let blockHead piece =
    declaration "head of a block" piece $"block {piece} {{ }}" (function
        | Block(name, parameters, body) when isEmpty body -> Some(name, parameters)
        | _ -> None)
