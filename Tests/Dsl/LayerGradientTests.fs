/// Gradients of layers with windows against finite differences, over shapes, strides, paddings, dilations and groups.
module CnnCluster.Tests.Dsl.LayerGradientTests

open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Dsl.WindowCases
open CnnCluster.Tests.Dsl.LayerTests
open CnnCluster.Tests.Dsl.Scripts

let private planned body =
    Script.Network(source ("network N {\n" + body + "\n}"), null, [], catalogues).Value
    |> Option.ofObj

/// Smooth layers alone: two elements of a max-pooling's window may lie closer together than a difference reaches. Its gradient
/// has a property of its own.
let private layers: (string * bool * (WindowCase -> string)) list =
    let dilated case =
        $"{settings case} dilation={list case.Geometry.Dilation}"

    [ "conv", false, (fun case -> $"conv {case.Filters} {dilated case} groups={case.Groups} bias-init=normal")
      "depthwise", false, (fun case -> $"depthwise {dilated case} multiplier={case.Groups}")
      "separable", false, (fun case -> $"separable {case.Filters} {dilated case}")
      "convtranspose", false, (fun case -> $"convtranspose {case.Filters} {dilated case} groups={case.Groups}")
      "avgpool", true, (fun case -> $"avgpool {settings case}") ]

[<Tests>]
let tests =
    testList
        "Dsl.Layers gradients at random"
        [ for word, isPooling, layer in layers do
              let body case = bodyOf case (layer case)

              let fitting =
                  genWindowUpTo 4 3 isPooling |> Gen.where (body >> planned >> Option.isSome)

              testPropertyWithConfig
                  { FsCheckConfig.defaultConfig with
                      maxTest = 12 }
                  $"{word}: the gradients are the slopes"
                  (Prop.forAll (Arb.fromGen fitting) (fun case -> gradientsOf (planned (body case)).Value)) ]
