/// Writes a syntax tree as the canonical script. Parsing that gives the same tree, but for its places.
module CnnCluster.Dsl.Printer

open System
open System.Globalization
open System.Text.RegularExpressions
open CnnCluster.Dsl.Syntax

let private indent depth = String(' ', 4 * depth)

/// The shortest form that reads back as the same number, as in 32, 0.01 and 1e-5.
let number (value: float) =
    let text = value.ToString("R", CultureInfo.InvariantCulture)
    Regex.Replace(text, @"E([+-])0*(\d+)$", (fun m -> "e" + m.Groups[1].Value.TrimStart '+' + m.Groups[2].Value))

let private size sides =
    String.Join("x", sides |> List.map (Option.map string >> Option.defaultValue "?"))

let private symbol =
    function
    | Or -> "or"
    | And -> "and"
    | Equal -> "=="
    | NotEqual -> "!="
    | Less -> "<"
    | LessOrEqual -> "<="
    | Greater -> ">"
    | GreaterOrEqual -> ">="
    | Add -> "+"
    | Subtract -> "-"
    | Multiply -> "*"
    | Divide -> "/"

let private quoted (text: string) =
    "\"" + text.Replace("\\", "\\\\").Replace("\"", "\\\"") + "\""

/// Words always stand apart; signs only where blanks are free.
let private joined blanks operator left right =
    match operator with
    | And
    | Or -> $"{left} {symbol operator} {right}"
    | _ when blanks -> $"{left} {symbol operator} {right}"
    | _ -> left + symbol operator + right

let rec private write blanks (expression: Expression) =
    match expression.Kind with
    | Number value -> number value
    | Size sides -> size sides
    | Text text -> quoted text
    | Word word -> word
    | Member(value, part) -> $"{value.Text}.{part.Text}"
    | Call(name, arguments) -> name.Text + "(" + String.Join(", ", arguments |> List.map (write true)) + ")"
    | Matrix rows ->
        let row entries =
            String.Join(" ", entries |> List.map (write false))

        "[" + String.Join("; ", rows |> List.map row) + "]"
    | Unary(Negate, operand) -> "-" + write blanks operand
    | Unary(Not, operand) -> "not " + write blanks operand
    | Binary(operator, left, right) -> joined blanks operator (write blanks left) (write blanks right)
    | Parenthesised inner -> "(" + write true inner + ")"

/// An expression as it stands in a statement of its own.
let expression = write true

/// An expression as an argument: no blanks outside its parentheses.
let tight = write false

let private comments depth texts =
    texts |> List.map (fun text -> indent depth + ("# " + text).TrimEnd())

/// A statement's lines: the first starts where the caller is, the rest are indented.
let rec private lines depth (statement: Statement) =
    let after =
        match statement.Comments.After with
        | Some text -> ("  # " + text).TrimEnd()
        | None -> ""

    comments depth statement.Comments.Before
    @ [ indent depth + kind depth statement.Kind + after ]

and private kind depth =
    function
    | Use(word, arguments, label) ->
        let name = label |> Option.map (fun l -> " as " + l.Text) |> Option.defaultValue ""
        String.Join(" ", word.Text :: List.map (argument depth) arguments) + name
    | As name -> "as " + name.Text
    | From name -> "from " + name.Text
    | Output name -> "output " + name.Text
    | Let(name, value) -> $"let {name.Text} = {expression value}"
    | Defaults body -> "defaults " + block depth body
    | If(condition, whenTrue, whenFalse) -> conditional depth condition whenTrue whenFalse
    | Repeat(names, over, upTo, body) ->
        let heads =
            match names with
            | [] -> ""
            | _ -> String.Join(", ", names |> List.map _.Text) + " in "

        let range =
            upTo
            |> Option.map (fun last -> ".." + expression last)
            |> Option.defaultValue ""

        $"repeat {heads}{expression over}{range} {block depth body}"
    | Unread word -> "# unread: " + (word |> Option.map _.Text |> Option.defaultValue "?")

and private conditional depth condition whenTrue whenFalse =
    let otherwise =
        match whenFalse with
        | None -> ""
        | Some { Statements = [ { Kind = If(next, yes, no)
                                  Comments = { Before = []; After = None } } ]
                 Closing = [] } -> " else " + conditional depth next yes no
        | Some body -> " else " + block depth body

    $"if {expression condition} {block depth whenTrue}{otherwise}"

and private argument depth =
    function
    | Positional value -> tight value
    | Keyword(name, value) -> $"{name.Text}={tight value}"
    | Branch body -> block depth body

and private block depth (body: Body) =
    match body with
    | { Statements = []; Closing = [] } -> "{ }"
    | _ ->
        let inner =
            (body.Statements |> List.collect (lines (depth + 1)))
            @ comments (depth + 1) body.Closing

        String.Join("\n", [ "{" ] @ inner @ [ indent depth + "}" ])

let private parameter (parameter: Parameter) =
    match parameter.Default with
    | None -> parameter.Name.Text
    | Some value -> $"{parameter.Name.Text} = {expression value}"

let private declaration (declaration: Declaration) =
    let text =
        match declaration.Kind with
        | Network(name, body) -> $"network {name.Text} {block 0 body}"
        | Shared(name, body) -> $"shared {name.Text} {block 0 body}"
        | Train(name, body) -> $"train {name.Text} {block 0 body}"
        | Block(name, parameters, body) ->
            let list = String.Join(", ", parameters |> List.map parameter)
            $"block {name.Text}({list}) {block 0 body}"
        | Import(path, _) -> "import " + quoted path
        | UnreadDeclaration -> "# unread"

    String.Join("\n", comments 0 declaration.Comments.Before @ [ text ])

/// The canonical script, with a line's end at its end.
let print (script: Script) =
    let parts = List.map declaration script.Declarations
    let closing = comments 0 script.Closing

    let blocks =
        if closing.IsEmpty then parts else parts @ [ String.Join("\n", closing) ]

    String.Join("\n\n", blocks) + "\n"
