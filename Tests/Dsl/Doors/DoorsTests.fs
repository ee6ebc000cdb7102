/// Text, F# and C#: three ways to write a script, one tree.
module CnnCluster.Tests.Dsl.Doors.DoorsTests

open System
open Expecto
open FsCheck
open CnnCluster.Dsl
open CnnCluster.Dsl.Building
open CnnCluster.Dsl.Embedded
open CnnCluster.Dsl.Syntax
open CnnCluster.Samples
open CnnCluster.Tests.Dsl
open CnnCluster.Tests.Dsl.Scripts

let private scripts =
    [ "LeNet-5", EmbeddedScripts.lenetText, EmbeddedScripts.lenet, Scripts.LeNet5
      "a residual network", EmbeddedScripts.residualText, EmbeddedScripts.residual, Scripts.Residual
      "a Siamese pair", EmbeddedScripts.siameseText, EmbeddedScripts.siamese, Scripts.Siamese
      "counted repetitions", EmbeddedScripts.countedText, EmbeddedScripts.counted, Scripts.Counted ]

/// What there is to know of a network's plan, as text.
let private described source =
    let result = Script.Network(source, null, [], catalogues)
    Expect.isFalse result.HasErrors result.Text
    $"%A{Description.ofPlan result.Value}"

/// The one argument of the one statement of a network.
let private argumentOf (value: obj) =
    match (layer ("x", value)).Kind with
    | Use(_, [ argument ], None) -> argument
    | other -> failtest $"{other}"

let private valueOf value =
    match argumentOf value with
    | Positional expression -> placelessExpression expression
    | other -> failtest $"{other}"

let private read text =
    match (tree $"network n {{\nx {text}\n}}").Declarations with
    | [ { Kind = Network(_, { Statements = [ { Kind = Use(_, [ Positional value ], None) } ] }) } ] ->
        placelessExpression value
    | other -> failtest $"{other}"

let private refuses (part: string) (act: unit -> 'T) =
    let message =
        try
            act () |> ignore
            failtest "it was accepted"
        with :? ArgumentException as refused ->
            refused.Message

    Expect.stringContains message part "the message"

[<Tests>]
let tests =
    testList
        "Dsl.Doors"
        [ for name, text, embedded, built in scripts do
              test $"{name}: text, F# and C# give one tree" {
                  let written = placeless (tree text)
                  Expect.equal (placeless embedded) written "F#"
                  Expect.equal (placeless built.Tree) written "C#"
              }

              test $"{name}: text, F# and C# give one plan" {
                  let written = described (source text)
                  Expect.equal (described (Printer.source "test.cnn" embedded)) written "F#"
                  Expect.equal (described (built.ToSource())) written "C#"
              }

              test $"{name}: the canonical script is the same" {
                  let canonical = Printer.print (tree text)
                  Expect.equal (Printer.print embedded) canonical "F#"
                  Expect.equal (built.ToString()) canonical "C#"
              }
          test "errors show the canonical script's line" {
              let wrong = script [ network "N" [ input "8x8x1"; layer ("convv", 3, 3) ] ]
              let result = Script.Check(Printer.source "script" wrong, catalogues)
              Expect.stringContains result.Text "script:3:5: error: " "its place"
              Expect.stringContains result.Text "3 |     convv 3 3" "its line"
              Expect.stringContains result.Text "did you mean 'conv'?" "the suggestion"
          }
          // ---- values ----
          testProperty "a number is read back from its text" (fun (NormalFloat value) ->
              valueOf value = read (Printer.number value))
          testProperty "a whole number is read back from its text" (fun (value: int) ->
              valueOf value = read (string value))
          testProperty "rows of numbers are the matrix of them" (fun (rows: NonEmptyArray<NonEmptyArray<int16>>) ->
              let numbers = rows.Get |> Array.map _.Get
              let row (values: int16[]) = String.Join(" ", values)
              valueOf numbers = read ("[" + String.Join("; ", Array.map row numbers) + "]"))
          test "a negative zero is read back from its text" {
              for value in [ box -0.0; box -0.0f ] do
                  Expect.equal (valueOf value) (read "-0") "the value"
          }
          test "an import is read back from its text, and a path that cannot be written is refused" {
              let path = "a \"b\" \\ é.cnn"
              let written = script [ import path ]
              Expect.equal (placeless (tree (Printer.print written))) (placeless written) "the tree"
              Expect.equal (ScriptBuilder().Import(path).ToString()) (Printer.print written) "C#"

              for wrong in [ "a\nb.cnn"; "a\rb.cnn"; "a\r\nb.cnn" ] do
                  refuses "is no path" (fun () -> import wrong)
                  refuses "is no path" (fun () -> ScriptBuilder().Import wrong)
          }
          for text in
              [ "filters*4"
                "(a - 1)"
                "5x5"
                "?x3"
                "[k 3]"
                "leakyrelu(0.1)"
                "here.channels"
                "\"a b\""
                "a/(2 + b)" ] do
              test $"the text {text} is what the script has" { Expect.equal (valueOf text) (read text) "the value" }
          test "values of .NET are what a script would say" {
              for value, text in
                  [ box true, "yes"
                    box false, "no"
                    box 0.1f, "0.1"
                    box 7L, "7"
                    box 0.5m, "0.5"
                    box (3, 5), "3x5"
                    box (struct (7, 7, 3)), "7x7x3"
                    box [ 1; 2 ], "[1 2]"
                    box [ 1, 2; 3, 4 ], "[1 2; 3 4]"
                    box [| [ 0.5 ]; [ -1.0 ] |], "[0.5; -1]"
                    box relu, "relu"
                    box (leakyrelu 0.1), "leakyrelu(0.1)" ] do
                  Expect.equal (valueOf value) (read text) text
          }
          test "a keyed value, a pair and a pair of C# are the same setting" {
              let expected = placelessArgument ("pad" => "same")
              Expect.equal (placelessArgument (argumentOf ("pad", "same"))) expected "a tuple"
              Expect.equal (placelessArgument (argumentOf (struct ("pad", "same")))) expected "a value tuple"
          }
          test "a layer's result is named by an 'as' behind its arguments" {
              match (conv (3, 3, as' "stem")).Kind with
              | Use(_, arguments, Some label) -> Expect.equal (arguments.Length, label.Text) (2, "stem") "named"
              | other -> failtest $"{other}"
          }
          // ---- refusals ----
          test "texts that are no pieces of a script are refused, with the place of the mistake" {
              refuses "\"3 +\" is no value" (fun () -> conv "3 +")
              refuses "an argument has no blanks around its operators" (fun () -> conv "a + b")
              refuses "\"a } network m {\" is no value" (fun () -> conv "a } network m {")
              refuses "is no value" (fun () -> conv "3 # three")
              refuses "is no value" (fun () -> conv "3 relu")
              refuses "is no name" (fun () -> network "two words" [])
              refuses "is no name" (fun () -> as' "")
              refuses "is no setting's name" (fun () -> "2" => 3)
              refuses "is no condition" (fun () -> if' "a > 1 { } else" [])
              refuses "is no head of a repeat" (fun () -> repeat "i in 1.." [])
              refuses "is no list of names" (fun () -> repeatIn "a b" [ 1 ] [])
              refuses "is no definition" (fun () -> let' "a")
              refuses "is no head of a block" (fun () -> block "cell" [])
              refuses "is no word" (fun () -> layer "let")
          }
          test "values that no script can hold are refused" {
              refuses "finite" (fun () -> conv nan)
              refuses "whole numbers from 0" (fun () -> conv ((-1, 2)))
              refuses "neither a number" (fun () -> conv (obj ()))
              refuses "null cannot stand" (fun () -> conv (null: obj))
              refuses "stands behind its arguments" (fun () -> conv (as' "a", 3))
              refuses "without names" (fun () -> conv (leakyrelu ("slope" => 1)))
              refuses "only an activation" (fun () -> conv ("init" => from "a"))
              refuses "An input has a size" (fun () -> BodyBuilder().Input [||])
          }
          test "a builder is not changed by what is built on it" {
              let start = BodyBuilder().Input(8, 8, 1)
              let one = ScriptBuilder().Network("N", fun _ -> start.Layer("relu"))
              let other = ScriptBuilder().Network("N", fun _ -> start.Layer("tanh"))
              Expect.equal (one.ToString()) "network N {\n    input 8x8x1\n    relu\n}\n" "one"
              Expect.equal (other.ToString()) "network N {\n    input 8x8x1\n    tanh\n}\n" "the other"
          }
          test "'As' names what stands before it, or the value that a body begins with" {
              let built =
                  ScriptBuilder().Block("b()", fun b -> b.As("start").Layer("relu").As("end")).Import("other.cnn")

              Expect.equal
                  (built.ToString())
                  "block b() {\n    as start\n    relu as end\n}\n\nimport \"other.cnn\"\n"
                  "the script"
          } ]
