/// Merges, with names and branches for operands.
module CnnCluster.Tests.Dsl.MergingTests

open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Dsl.Scripts
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Checks

[<Tests>]
let merges =
    testList
        "Dsl.Checking merges"
        [ test "a merge joins names, here and branches, each from the same value" {
              let plan =
                  plan (network "input 8x8x2 as start\nconv 2 3 pad=same\nadd start here { conv 2 1 } { } relu")

              Expect.equal (paths plan) [ "conv1"; "conv2"; "add1" ] "paths"

              Expect.equal
                  (List.last plan.Nodes).Inputs
                  [ FromInput 0; FromNode 0; FromNode 1; FromNode 0 ]
                  "operands in their order"

              Expect.equal (List.last plan.Nodes).Activation.Value.Definition.Name "relu" "activation"
          }
          test "what is named in a branch is not known behind it" {
              refused (network "input 8\nadd { dense 8 as x; from x } { }\nfrom x") "no value is called 'x'"
          }
          test "operands are computed as they say" {
              let x = tensor [ 1.0; 2.0; 3.0; -4.0 ] [ 1L; 4L ]

              let value word =
                  let plan = plan (network $"input 4 as x\nrelu as y\n{word} x y")
                  run plan [ x ] |> List.head |> snd |> List.ofArray

              Expect.equal (value "add") [ 2.0; 4.0; 6.0; -4.0 ] "add"
              Expect.equal (value "subtract") [ 0.0; 0.0; 0.0; -4.0 ] "subtract"
              Expect.equal (value "multiply") [ 1.0; 4.0; 9.0; 0.0 ] "multiply"
              Expect.equal (value "average") [ 1.0; 2.0; 3.0; -2.0 ] "average"
              Expect.equal (value "maximum") [ 1.0; 2.0; 3.0; 0.0 ] "maximum"
              Expect.equal (value "minimum") [ 1.0; 2.0; 3.0; -4.0 ] "minimum"
              Expect.equal (value "concat") [ 1.0; 2.0; 3.0; -4.0; 1.0; 2.0; 3.0; 0.0 ] "concat"
          }
          test "channels of 1 and sides of 1 are repeated, other differences refused" {
              let shape body =
                  Shape.text (plan (network body)).OutputShape

              Expect.equal (shape "input 8x8x4 as x\navgpool 8\nmultiply x here") "8x8x4" "gate"
              refused (network "input 8x8x4 as x\nconv 3 1\nadd x here") "'add' takes values of one shape"
              refused (network "input 8x8x4 as x\nconv 4 3\nconcat x here") "'concat' joins values of equal sides"
          }
          test "one operand is too few" { refused (network "input 8 as x\nadd x") "takes at least two values" } ]
