module CnnCluster.Tests.Dsl.PrinterTests

open System.IO
open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Tests
open CnnCluster.Tests.Dsl.Scripts

// ---- trees as the parser makes them ----

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
    Gen.elements [ ""; "a comment"; "{ # brackets }"; "ends in a colon:" ]

let private genComments =
    Gen.map2
        (fun before after -> { Before = before; After = after })
        (Gen.listOf genComment |> Gen.resize 2)
        (Gen.optionOf genComment)

let rec private genBody size : Gen<Body> =
    Gen.map2
        (fun statements closing ->
            { Statements = statements
              Closing = closing
              Span = nowhere })
        (Gen.listOf (genStatement size) |> Gen.resize (min size 3))
        (Gen.listOf genComment |> Gen.resize 2)

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
        (fun kind before ->
            { Kind = kind
              Comments = { Before = before; After = None }
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
        (Gen.listOf genComment |> Gen.resize 2)

let private genScript =
    Gen.sized (fun size ->
        Gen.map2
            (fun declarations closing ->
                { Declarations = declarations
                  Closing = closing })
            (Gen.listOf (genDeclaration (min size 12)) |> Gen.resize 3)
            (Gen.listOf genComment |> Gen.resize 2))

let private roundTrips (script: Script) =
    let printed = Printer.print script
    let again = tree printed
    Expect.equal (placeless again) (placeless script) printed
    Expect.equal (Printer.print again) printed "printed twice"

// ---- the language's own examples ----

let private residual =
    """block bottleneck(filters, stride = 1) {              # every use makes fresh weights
    add {
        conv filters 1x1
        batchnorm relu
        conv filters*4 1x1
    } {
        if stride > 1 or here.channels != filters*4 {
            conv filters*4 1x1 stride=stride
            batchnorm
        }
    } relu
}

network ResNet50 {
    defaults { conv bias=no kernel-init=he; batchnorm epsilon=1e-5 }
    input 224x224x3
    maxpool 3x3 stride=2 pad=1
    repeat filters, count, stride in [64 3 1; 128 4 2; 256 6 2; 512 3 2] {
        bottleneck filters stride=stride
        repeat count-1 { bottleneck filters }
    }
    globalavgpool
    dense 1000
}
"""

let private inverted =
    """block inverted(filters, expand, stride = 1) {
    as start
    if expand > 1 { conv start.channels*expand 1x1; batchnorm relu6 }
    depthwise 3x3 stride=stride pad=1
    if stride == 1 and start.channels == filters { add start here }
}

block grow(rate) {                                   # DenseNet
    concat here { batchnorm relu; conv rate*4 1x1; batchnorm relu; conv rate 3x3 pad=1 }
}

block inception(a, b1, b3) {
    concat
        { cbr a 1 }
        { cbr b1 1; cbr b3 3 }
        { maxpool 3x3 stride=1 pad=1; cbr a 1 }
}
"""

let private siamese =
    """shared tower { conv 32 3x3 relu; globalavgpool }     # every use shares one set of weights

network Siamese {
    input left  28x28x1
    input right 28x28x1
    concat { from left; tower } { from right; tower }
    dense 1
}
"""

let private upwards =
    """network UNet {
    double 64 as s1
    repeat filters, skip in [256 s3; 128 s2; 64 s1] { convtranspose filters 2x2 stride=2; concat skip here; double filters }
}
"""

[<Tests>]
let tests =
    testList
        "Dsl.Printer"
        [ testPropertyWithConfig
              { FsCheckConfig.defaultConfig with
                  maxTest = 300 }
              "a printed tree reads back as the same tree, and prints the same"
              (Prop.forAll (Arb.fromGen genScript) roundTrips)
          testProperty "a printed number reads back as the same number" (fun (NormalFloat value) ->
              float (Printer.number value) = value)
          for value, text in [ 32.0, "32"; 0.01, "0.01"; 1e-5, "1e-5"; -2.5, "-2.5"; 1e300, "1e300" ] do
              test $"{text} is printed in its shortest form" { Expect.equal (Printer.number value) text "text" }
          for name, text in
              [ "LeNet-5", lenet
                "residual blocks", residual
                "inverted and dense blocks", inverted
                "shared towers", siamese
                "U-Net", upwards ] do
              test $"{name} round-trips" { roundTrips (tree text) }
          for path in Directory.GetFiles(Repository.file "examples", "*.cnn") do
              test $"examples/{Path.GetFileName path} round-trips" { roundTrips (tree (File.ReadAllText path)) }
          test "the canonical form" {
              let printed =
                  Printer.print (
                      tree
                          "# head\nnetwork   N{input 28x28x1;conv 6   5x5 # first\n# second\nif a>1{relu}else if a>0{ }else{tanh}\n}"
                  )

              Expect.equal
                  printed
                  "# head\nnetwork N {\n    input 28x28x1\n    conv 6 5x5  # first\n    # second\n    if a > 1 {\n        relu\n    } else if a > 0 { } else {\n        tanh\n    }\n}\n"
                  "text"
          }
          test "no comment is lost, wherever it stands" {
              let text =
                  "# 1\nnetwork N { # 2\n# 3\ninput 8 # 4\nconv [1 # 5\n 2] # 6\nif a > 1 # 7\n{ # 8\n} # 9\n# 10\nelse # 11\n{ if b > 1 { } # 12\n# 13\n} # 14\n# 15\n} # 16\n# 17"

              let printed = Printer.print (tree text)

              for i in 1..17 do
                  Expect.isTrue
                      (printed.Split('\n') |> Array.exists (fun line -> line.EndsWith $"# {i}"))
                      $"{i} in\n{printed}"

              Expect.equal (Printer.print (tree printed)) printed "printed twice"
          } ]
