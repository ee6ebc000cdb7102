/// Writes a syntax tree as the canonical script. Parsing that gives the same tree, but for its places.
module CnnCluster.Dsl.Printer

open System
open CnnCluster.Dsl.Syntax

let private indent depth = String(' ', 4 * depth)

/// A number, as it stands in a script.
let number value = ExpressionPrinter.number value

/// An expression as it stands in a statement of its own.
let expression value = ExpressionPrinter.expression value

/// An expression as an argument: no blanks outside its parentheses.
let tight value = ExpressionPrinter.tight value

/// A body stands on one line with its statement if it has no more statements than these…
let private mostOnALine = 3

/// … and the line no more columns, its indentation counted and the comment behind it not.
let private widestLine = 90

let private fits depth (text: string) = 4 * depth + text.Length <= widestLine

/// A comment as it is written: `#` and a blank, but for `##` and `#!`, which belong together.
let private commented (text: string) =
    if text.StartsWith '#' || text.StartsWith '!' then
        "#" + text
    else
        ("# " + text).TrimEnd()

let private trailing =
    function
    | Some text -> "  " + commented text
    | None -> ""

let private asides depth lines =
    lines
    |> List.map (function
        | Comment text -> indent depth + commented text
        | BlankLine -> "")

let private labelled label =
    label |> Option.map (fun (l: Name) -> " as " + l.Text) |> Option.defaultValue ""

let private value =
    function
    | Positional value -> tight value
    | Keyword(name, value) -> $"{name.Text}={tight value}"
    | Branch _ -> invalidOp "a branch is no value"

let private isBranch =
    function
    | Branch _ -> true
    | _ -> false

let private repeatHead names over upTo =
    let heads =
        match names with
        | [] -> ""
        | _ -> String.Join(", ", names |> List.map (fun (n: Name) -> n.Text)) + " in "

    let range =
        upTo
        |> Option.map (fun last -> ".." + expression last)
        |> Option.defaultValue ""

    $"repeat {heads}{expression over}{range} "

/// The other branch, if it is nothing but another `if`.
let private elseIf =
    function
    | { Opening = None
        Statements = [ { Kind = If(condition, yes, no)
                         Comments = { Before = []; After = None } } ]
        Closing = [] } -> Some(condition, yes, no)
    | _ -> None

// ---- on one line ----

/// All parts, if there are all.
let private whole parts =
    if List.forall Option.isSome parts then Some(List.choose id parts) else None

/// A statement on one line, if what it has in braces may stand on one.
let rec private flat kind : string option =
    match kind with
    | Use(word, arguments, label) ->
        arguments
        |> List.map flatArgument
        |> whole
        |> Option.map (fun texts -> String.Join(" ", word.Text :: texts) + labelled label)
    | As name -> Some("as " + name.Text)
    | From name -> Some("from " + name.Text)
    | Output name -> Some("output " + name.Text)
    | Let(name, value) -> Some $"let {name.Text} = {expression value}"
    | Defaults body -> flatBody body |> Option.map (fun text -> "defaults " + text)
    | If(condition, yes, no) -> flatConditional condition yes no
    | Repeat(names, over, upTo, body) -> flatBody body |> Option.map (fun text -> repeatHead names over upTo + text)
    | Unread word -> Some("# unread: " + (word |> Option.map _.Text |> Option.defaultValue "?"))

and private flatArgument =
    function
    | Branch body -> flatBody body
    | other -> Some(value other)

and private flatConditional condition yes no =
    let otherwise =
        match no with
        | None -> Some ""
        | Some body ->
            match elseIf body with
            | Some(condition, yes, no) -> flatConditional condition yes no
            | None -> flatBody body
            |> Option.map (fun text -> " else " + text)

    Option.map2 (fun yes no -> $"if {expression condition} {yes}{no}") (flatBody yes) otherwise

and private flatBody body =
    match Body.settled body with
    | { Opening = None
        Statements = statements
        Closing = [] } when List.length statements <= mostOnALine ->
        statements
        |> List.map flatStatement
        |> whole
        |> Option.map (function
            | [] -> "{ }"
            | texts -> "{ " + String.Join("; ", texts) + " }")
    | _ -> None

and private flatStatement (statement: Statement) =
    if statement.Comments = Comments.none then flat statement.Kind else None

// ---- over several lines ----

/// The arguments before the first branch, and each branch with those that follow it.
let private byBranch arguments =
    let group argument groups =
        match groups with
        | _ when isBranch argument -> [] :: (argument :: List.head groups) :: List.tail groups
        | current :: others -> (argument :: current) :: others
        | [] -> [ [ argument ] ]

    let groups = List.foldBack group arguments [ [] ]
    List.head groups, List.tail groups

/// A branch on each line, if there are several and every one has room on its own.
let private branchRows depth (word: Name) arguments label =
    let head, groups = byBranch arguments

    let rows =
        groups
        |> List.map (
            List.map flatArgument
            >> whole
            >> Option.map (fun texts -> String.Join(" ", texts))
        )
        |> whole

    match rows with
    | Some rows when rows.Length > 1 ->
        let first = String.Join(" ", word.Text :: List.map value head)
        let last = List.length rows - 1

        let rows =
            rows |> List.mapi (fun i row -> if i = last then row + labelled label else row)

        if List.forall (fits (depth + 1)) rows then
            Some(String.Join("\n" + indent (depth + 1), first :: rows))
        else
            None
    | _ -> None

/// A statement's text: the first line begins where the caller is, the others are indented.
let rec private layout depth kind =
    match flat kind with
    | Some text when fits depth text -> text
    | _ -> spread depth kind

and private spread depth kind =
    match kind with
    | Use(word, arguments, label) ->
        branchRows depth word arguments label
        |> Option.defaultWith (fun () ->
            let texts = arguments |> List.map (spreadArgument depth)
            String.Join(" ", word.Text :: texts) + labelled label)
    | Defaults body -> "defaults " + block depth body
    | If(condition, yes, no) -> conditional depth condition yes no
    | Repeat(names, over, upTo, body) -> repeatHead names over upTo + block depth body
    | other -> flat other |> Option.get

and private spreadArgument depth =
    function
    | Branch body -> block depth body
    | other -> value other

and private conditional depth condition yes no =
    let otherwise =
        match no with
        | None -> ""
        | Some body ->
            match elseIf body with
            | Some(condition, yes, no) -> " else " + conditional depth condition yes no
            | None -> " else " + block depth body

    $"if {expression condition} {block depth yes}{otherwise}"

and private block depth body =
    match Body.settled body with
    | { Opening = None
        Statements = []
        Closing = [] } -> "{ }"
    | body ->
        let inner =
            (body.Statements |> List.collect (lines (depth + 1)))
            @ asides (depth + 1) body.Closing

        String.Join("\n", [ "{" + trailing body.Opening ] @ inner @ [ indent depth + "}" ])

and private lines depth (statement: Statement) =
    asides depth statement.Comments.Before
    @ [ indent depth + layout depth statement.Kind + trailing statement.Comments.After ]

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
        | Import(path, _) -> "import " + ExpressionPrinter.quoted path
        | UnreadDeclaration -> "# unread"

    let before = asides 0 (Asides.first declaration.Comments.Before)
    String.Join("\n", before @ [ text + trailing declaration.Comments.After ])

/// The canonical script, with a line's end at its end.
let print (script: Script) =
    let parts = List.map declaration script.Declarations
    let closing = asides 0 (Asides.alone script.Closing)

    let blocks =
        if closing.IsEmpty then parts else parts @ [ String.Join("\n", closing) ]

    String.Join("\n\n", blocks) + "\n"

/// The canonical script as a source, for trees that were not read from one: errors show its lines.
let source file (script: Script) : Source = { File = file; Text = print script }
