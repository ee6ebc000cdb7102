/// What the tests of the language share.
module CnnCluster.Tests.Dsl.Scripts

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Kernels

let source text : Source = { File = "test.cnn"; Text = text }

let parse text = Parser.parse (source text)

/// The tree of a script without errors.
let tree text =
    match parse text with
    | script, [] -> script
    | _, diagnostics ->
        let messages = diagnostics |> List.map (Report.render (source text))
        failwith $"the script has errors:\n{System.String.Join('\n', messages)}"

/// Data sets and an augmentation, as the checker sees them.
let catalogues: Catalogues =
    let set name inputs targets : DataSetEntry =
        { Name = name
          Summary = "Pictures."
          Inputs =
            [ for input, height, width, channels in inputs ->
                  { Name = input
                    Height = height
                    Width = width
                    Channels = channels } ]
          Targets = [ for target, kind in targets -> { Name = target; Kind = kind } ]
          Settings = [] }

    Catalogues.Of(
        [ set "mnist" [ "image", 28, 28, 1 ] [ "labels", Classes 10 ]
          set "pictures" [ "image", 32, 32, 3 ] [ "labels", Classes 7 ]
          set
              "pairs"
              [ "left", 28, 28, 1; "right", 28, 28, 1 ]
              [ "same", Classes 2; "sum", Classes 19; "difference", Numbers 1 ] ],
        [ { Name = "shift"
            Summary = "Moves."
            Settings = [ Setting.Whole("pixels", 2.0, 0.0, 28.0, "The farthest shift.") ] } ]
    )

/// A network's plan; fails with the diagnostics if there is none.
let plan text : NetworkPlan =
    let result = Script.Network(source text, null, [], catalogues)
    if isNull (box result.Value) then failwith result.Text else result.Value

/// A training, with changes made to it.
let trainingOf text (changes: Change list) =
    Script.Training(source text, null, changes, catalogues)

/// The same, as `--set` takes them.
let training text (changes: string list) =
    trainingOf text (List.map Change.Set changes)

let lenet =
    """network LeNet5 {
    input   28x28x1
    conv    6 5x5 pad=same relu
    maxpool 2x2
    conv    16 5x5 relu
    maxpool 2x2
    flatten
    dense   120 relu
    dense   84 relu
    dense   10
}
"""

let trainPart settings =
    lenet
    + "\ntrain LeNet5 {\n"
    + String.concat "" [ for setting in settings -> $"    {setting}\n" ]
    + "}\n"

let plain =
    trainPart [ "data mnist"; "loss cross-entropy"; "optimizer sgd lr=0.01"; "batch 32"; "epochs 2" ]

// ---- trees without places ----

let private noName (name: Name) = { name with Span = Span.nowhere }

let rec private noExpression (expression: Expression) : Expression =
    let again = noExpression

    { Span = Span.nowhere
      Kind =
        match expression.Kind with
        | Member(value, part) -> Member(noName value, noName part)
        | Call(name, arguments) -> Call(noName name, List.map again arguments)
        | Matrix rows -> Matrix(List.map (List.map again) rows)
        | Unary(operator, operand) -> Unary(operator, again operand)
        | Binary(operator, left, right) -> Binary(operator, again left, again right)
        | Parenthesised inner -> Parenthesised(again inner)
        | other -> other }

let rec private noBody (body: Body) : Body =
    { body with
        Statements = List.map noStatement body.Statements
        Span = Span.nowhere }

and private noArgument =
    function
    | Positional value -> Positional(noExpression value)
    | Keyword(name, value) -> Keyword(noName name, noExpression value)
    | Branch body -> Branch(noBody body)

and private noStatement (statement: Statement) : Statement =
    { Span = Span.nowhere
      Comments = statement.Comments
      Kind =
        match statement.Kind with
        | Use(word, arguments, label) -> Use(noName word, List.map noArgument arguments, Option.map noName label)
        | As name -> As(noName name)
        | From name -> From(noName name)
        | Output name -> Output(noName name)
        | Let(name, value) -> Let(noName name, noExpression value)
        | Defaults body -> Defaults(noBody body)
        | If(condition, yes, no) -> If(noExpression condition, noBody yes, Option.map noBody no)
        | Repeat(names, over, upTo, body) ->
            Repeat(List.map noName names, noExpression over, Option.map noExpression upTo, noBody body)
        | Unread word -> Unread(Option.map noName word) }

let private noParameter (parameter: Parameter) : Parameter =
    { Name = noName parameter.Name
      Default = Option.map noExpression parameter.Default }

let private noDeclaration (declaration: Declaration) : Declaration =
    { Span = Span.nowhere
      Comments = declaration.Comments
      Kind =
        match declaration.Kind with
        | Network(name, body) -> Network(noName name, noBody body)
        | Shared(name, body) -> Shared(noName name, noBody body)
        | Train(name, body) -> Train(noName name, noBody body)
        | Block(name, parameters, body) -> Block(noName name, List.map noParameter parameters, noBody body)
        | Import(path, _) -> Import(path, Span.nowhere)
        | UnreadDeclaration -> UnreadDeclaration }

/// The tree without its places, to be compared with another.
let placeless (script: Script) : Script =
    { script with
        Declarations = List.map noDeclaration script.Declarations }

/// An expression without its places.
let placelessExpression = noExpression

/// An argument without its places.
let placelessArgument = noArgument
