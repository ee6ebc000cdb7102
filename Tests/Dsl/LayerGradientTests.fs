/// Gradients of layers against finite differences, over shapes and settings at random: strides, paddings, dilations, groups.
module CnnCluster.Tests.Dsl.LayerGradientTests

open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers
open CnnCluster.Tests.Dsl.LayerGenerators
open CnnCluster.Tests.Dsl.LayerTests
open CnnCluster.Tests.Dsl.Scripts

let private planned body =
    Script.Network(source ("network N {\n" + body + "\n}"), null, [], catalogues).Value
    |> Option.ofObj

let private agrees count (word: string, bodies: Gen<string>) =
    let fitting = bodies |> Gen.where (planned >> Option.isSome)

    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = count }
        $"{word}: the gradients are the slopes"
        (Prop.forAll (Arb.fromGen fitting) (fun body -> gradientsOf (planned body).Value))

[<Tests>]
let tests =
    testList
        "Dsl.Layers gradients at random"
        [ for drawn in windows do
              agrees 12 drawn
          for drawn in others do
              agrees 3 drawn
          test "every layer of the catalogue is drawn, or excepted with a reason" {
              let words = List.map fst (windows @ others) @ List.map fst exceptions
              Expect.equal (List.sort words) (List.sort [ for layer in Catalogue.layers -> layer.Name ]) "each once"
          } ]
