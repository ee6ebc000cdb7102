/// Trees at random, said again in F#, word by word: nothing that a script can say is missing.
module CnnCluster.Tests.Dsl.Doors.RetoldTests

open Expecto
open FsCheck.FSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Embedded
open CnnCluster.Dsl.Syntax
open CnnCluster.Tests.Dsl
open CnnCluster.Tests.Dsl.Scripts

// ---- without comments: F# has its own ----

let rec private bareBody (body: Body) : Body =
    { Opening = None
      Statements = List.map bare body.Statements
      Closing = []
      Span = body.Span }

and private bare (statement: Statement) : Statement =
    { statement with
        Comments = Comments.none
        Kind =
            match statement.Kind with
            | Use(word, arguments, label) -> Use(word, List.map bareArgument arguments, label)
            | Defaults body -> Defaults(bareBody body)
            | If(condition, yes, no) -> If(condition, bareBody yes, Option.map bareBody no)
            | Repeat(names, over, upTo, body) -> Repeat(names, over, upTo, bareBody body)
            | other -> other }

and private bareArgument =
    function
    | Branch body -> Branch(bareBody body)
    | other -> other

let private bareDeclaration (declaration: Declaration) =
    { declaration with
        Comments = Comments.none
        Kind =
            match declaration.Kind with
            | Network(name, body) -> Network(name, bareBody body)
            | Shared(name, body) -> Shared(name, bareBody body)
            | Train(name, body) -> Train(name, bareBody body)
            | Block(name, parameters, body) -> Block(name, parameters, bareBody body)
            | other -> other }

// ---- in F# ----

let private loose = ExpressionPrinter.expression

let private joined (names: Name list) =
    names |> List.map _.Text |> String.concat ", "

let rec private retoldBody (body: Body) = List.map retold body.Statements

and private retold (statement: Statement) : Statement =
    match statement.Kind with
    | Use(word, arguments, label) ->
        let label = label |> Option.map (fun name -> as' name.Text :> obj) |> Option.toList
        layer (word.Text, Array.ofList (List.map retoldArgument arguments @ label))
    | As name -> as' name.Text
    | From name -> from name.Text
    | Output name -> output name.Text
    | Let(name, value) -> let' $"{name.Text} = {loose value}"
    | Defaults body -> defaults (retoldBody body)
    | If(condition, yes, None) -> if' (loose condition) (retoldBody yes)
    | If(condition, yes, Some no) -> ifElse (loose condition) (retoldBody yes) (retoldBody no)
    | Repeat([], over, None, body) -> repeat (loose over) (retoldBody body)
    | Repeat(names, over, upTo, body) ->
        let head = if names.IsEmpty then "" else joined names + " in "

        let last =
            upTo |> Option.map (fun last -> ".." + loose last) |> Option.defaultValue ""

        repeat (head + loose over + last) (retoldBody body)
    | Unread _ -> failtest "the generator reads nothing"

and private retoldArgument argument : obj =
    match argument with
    | Positional value -> ExpressionPrinter.tight value
    | Keyword(key, value) -> key.Text => ExpressionPrinter.tight value
    | Branch body -> retoldBody body

let private parameter (parameter: Parameter) =
    match parameter.Default with
    | None -> parameter.Name.Text
    | Some value -> $"{parameter.Name.Text} = {loose value}"

let private retoldDeclaration (declaration: Declaration) =
    match declaration.Kind with
    | Network(name, body) -> network name.Text (retoldBody body)
    | Shared(name, body) -> shared name.Text (retoldBody body)
    | Train(name, body) -> train name.Text (retoldBody body)
    | Block(name, parameters, body) ->
        let list = parameters |> List.map parameter |> String.concat ", "
        block $"{name.Text}({list})" (retoldBody body)
    | Import(path, _) -> import path
    | UnreadDeclaration -> failtest "the generator reads nothing"

let private isRetold (tree: Script) =
    let bare = List.map bareDeclaration tree.Declarations
    let again = script (List.map retoldDeclaration tree.Declarations)

    Expect.equal
        (placeless again)
        (placeless
            { tree with
                Declarations = bare
                Closing = [] })
        (Printer.print tree)

[<Tests>]
let tests =
    testList
        "Dsl.Doors retold"
        [ testPropertyWithConfig
              { FsCheckConfig.defaultConfig with
                  maxTest = 100 }
              "what a script can say, the F# form can, and it is the same tree"
              (Prop.forAll (Arb.fromGen SyntaxTrees.script) isRetold) ]
