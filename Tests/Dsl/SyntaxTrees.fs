/// Syntax trees as the parser makes them, at random.
module CnnCluster.Tests.Dsl.SyntaxTrees

open FsCheck
open FsCheck.FSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax

let private nowhere = Span.nowhere
let private nameOf text : Name = { Text = text; Span = nowhere }
let private expressionOf kind : Expression = { Kind = kind; Span = nowhere }

let private words =
    [ "conv"; "relu"; "early-stop"; "n"; "filters"; "x_1"; "kernel-init"; "été" ]

let private genName = Gen.elements words |> Gen.map nameOf

let private genNumber =
    Gen.oneof
        [ Gen.choose (0, 1000) |> Gen.map float
          Gen.elements [ 0.01; 1e-5; 0.1; 1e300; 5e-324; 1e16; 123456789012345.0 ]
          ArbMap.defaults |> ArbMap.generate<NormalFloat> |> Gen.map (fun f -> abs f.Get) ]

let private genSize =
    Gen.oneof [ Gen.constant None; Gen.choose (0, 999999999) |> Gen.map Some ]
    |> Gen.listOfLength 3
    |> Gen.map Size

let private genText =
    Gen.elements [ ""; "a b"; "\"quoted\""; "back\\slash"; "{ # }" ] |> Gen.map Text

let private leaf =
    Gen.oneof
        [ Gen.map Number genNumber
          genSize
          genText
          Gen.map (fun (name: Name) -> Word name.Text) genName
          Gen.map2
              (fun value part -> Member(value, part))
              (Gen.constant (nameOf "here"))
              (Gen.constant (nameOf "channels")) ]
    |> Gen.map expressionOf

let private joinedBy operators operand =
    Gen.map3
        (fun operator left right -> expressionOf (Binary(operator, left, right)))
        (Gen.elements operators)
        operand
        operand

/// What stands without blanks: parentheses keep any expression together.
let rec private tight size : Gen<Expression> =
    if size <= 0 then
        leaf
    else
        let inner = loose (size / 2)
        let atom = Gen.oneof [ leaf; inner |> Gen.map (Parenthesised >> expressionOf) ]

        let rows =
            Gen.choose (1, 3)
            |> Gen.bind (fun n -> Gen.listOfLength n (Gen.nonEmptyListOf (tight (size / 4)) |> Gen.resize 3))

        Gen.oneof
            [ atom
              rows |> Gen.map (Matrix >> expressionOf)
              Gen.map2 (fun name values -> expressionOf (Call(name, values))) genName (Gen.listOf inner |> Gen.resize 3)
              atom |> Gen.map (fun operand -> expressionOf (Unary(Negate, operand)))
              joinedBy [ Multiply; Divide; Add ] atom
              // A hyphen between two letters would join them.
              Gen.map2
                  (fun left inner -> expressionOf (Binary(Subtract, left, expressionOf (Parenthesised inner))))
                  atom
                  inner ]

/// A statement's own expression: operands of the next rank below.
and private loose size : Gen<Expression> =
    if size <= 0 then
        leaf
    else
        let atom =
            Gen.oneof [ leaf; loose (size / 3) |> Gen.map (Parenthesised >> expressionOf) ]

        let unary =
            Gen.oneof [ atom; atom |> Gen.map (fun operand -> expressionOf (Unary(Not, operand))) ]

        let sum = Gen.oneof [ unary; joinedBy [ Add; Subtract; Multiply; Divide ] unary ]

        let comparison =
            Gen.oneof [ sum; joinedBy [ Equal; NotEqual; Less; LessOrEqual; Greater; GreaterOrEqual ] sum ]

        Gen.oneof [ comparison; joinedBy [ And ] comparison; joinedBy [ Or ] comparison ]

let private genComment =
    Gen.elements [ ""; "a comment"; "{ # brackets }"; "ends in a colon:"; "# section"; "!"; "\"quoted" ]

let private genAsides =
    Gen.frequency [ 3, Gen.map Comment genComment; 2, Gen.constant BlankLine ]
    |> Gen.listOf
    |> Gen.resize 3

/// Most statements have none, so that many bodies fit on a line.
let private genComments =
    Gen.frequency
        [ 4, Gen.constant Comments.none
          1, Gen.map2 (fun before after -> { Before = before; After = after }) genAsides (Gen.optionOf genComment) ]

let rec private genBody size : Gen<Body> =
    let rarely gen none =
        Gen.frequency [ 4, Gen.constant none; 1, gen ]

    Gen.map3
        (fun opening statements closing ->
            Body.settled
                { Opening = opening
                  Statements = statements
                  Closing = closing
                  Span = nowhere })
        (rarely (Gen.map Some genComment) None)
        (Gen.listOf (genStatement size) |> Gen.resize (min size 4))
        (rarely genAsides [])

and private genArgument size =
    Gen.frequency
        [ 4, tight size |> Gen.map Positional
          3, Gen.map2 (fun key value -> Keyword(key, value)) genName (tight size)
          if size > 0 then 1, genBody (size / 3) |> Gen.map Branch ]

and private genStatement size : Gen<Statement> =
    let use' =
        Gen.map3
            (fun word arguments label -> Use(word, arguments, label))
            genName
            (Gen.listOf (genArgument (size / 2)) |> Gen.resize 4)
            (Gen.optionOf genName)

    let simple =
        [ use'
          Gen.map As genName
          Gen.map From genName
          Gen.map Output genName
          Gen.map2 (fun name value -> Let(name, value)) genName (loose size) ]

    let nested () =
        let body = genBody (size / 3)

        [ Gen.map Defaults body
          Gen.map3 (fun condition yes no -> If(condition, yes, no)) (loose (size / 2)) body (Gen.optionOf body)
          Gen.map2 (fun count body -> Repeat([], count, None, body)) (loose (size / 2)) body
          Gen.map3
              (fun (name, first) last body -> Repeat([ name ], first, Some last, body))
              (Gen.zip genName (loose (size / 2)))
              (loose 0)
              body ]

    Gen.map2
        (fun kind comments ->
            { Kind = kind
              Comments = comments
              Span = nowhere })
        (Gen.oneof (if size > 0 then simple @ nested () else simple))
        genComments

let private genDeclaration size : Gen<Declaration> =
    let body = genBody size

    let parameter =
        Gen.map2 (fun name value -> { Name = name; Default = value }) genName (Gen.optionOf (loose size))

    Gen.map2
        (fun kind comments ->
            { Kind = kind
              Comments =
                { comments with
                    Before = Asides.first comments.Before }
              Span = nowhere })
        (Gen.oneof
            [ Gen.map2 (fun name body -> Network(name, body)) genName body
              Gen.map2 (fun name body -> Shared(name, body)) genName body
              Gen.map2 (fun name body -> Train(name, body)) genName body
              Gen.map3
                  (fun name parameters body -> Block(name, parameters, body))
                  genName
                  (Gen.listOf parameter |> Gen.resize 3)
                  body
              Gen.constant (Import("resnet.cnn", nowhere)) ])
        genComments

/// A script without errors, settled: no blank line in it that the canonical form would drop.
let script =
    Gen.sized (fun size ->
        Gen.map2
            (fun declarations closing ->
                { Declarations = declarations
                  Closing = closing })
            (Gen.listOf (genDeclaration (min size 12)) |> Gen.resize 3)
            (genAsides |> Gen.map Asides.alone))
