/// Layers that are not the language's: one defined in F#, one in C#.
module CnnCluster.Tests.Dsl.OwnLayerTests

open System
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Samples
open CnnCluster.Tests.Dsl.Scripts

let private own =
    catalogues.WithLayer(SqueezeExcite.definition).WithLayer(LayerScale.Definition)

let private check body =
    Script.Check(source $"network N {{\n{body}\n}}", own)

let private planOf body =
    let result = Script.Network(source $"network N {{\n{body}\n}}", null, [], own)

    Expect.equal result.Text "" "right"
    result.Value

let private says (body: string) (message: string) =
    Expect.stringContains (check body).Text message body

[<Tests>]
let tests =
    testList
        "Dsl.own layers"
        [ for layer in [ SqueezeExcite.definition; LayerScale.Definition ] do
              test $"the example of {layer.Name} is right" {
                  Expect.equal (check layer.Help.Example).Text "" layer.Help.Example
              }
          for body in
              [ "input 4x3x6\nsqueezeexcite 2"
                "input 5x4\nsqueezeexcite ratio=4 tanh"
                "input 2x2x2x4\nsqueezeexcite 1"
                "input 4x3x2\nlayerscale 0.5"
                "input 5\nlayerscale initial=2 tanh"
                "input 2x2x2x3\nlayerscale 0.1" ] do
              test $"{body.Replace('\n', ';')}: the gradients are the slopes" { LayerTests.gradientsOf (planOf body) }
          test "they are described" {
              let description =
                  Description.ofPlan (planOf "input 8x8x32\nsqueezeexcite 4\nlayerscale")

              let layers =
                  [ for layer in description.Layers ->
                        layer.Name, layer.OutputText, layer.Parameters, layer.MultiplyAdds.Value ]

              Expect.equal
                  layers
                  [ "squeezeexcite1", "8x8x32", 2L * 32L * 8L + 40L, 2L * 32L * 8L + 2048L
                    "layerscale1", "8x8x32", 32L, 2048L ]
                  "layers"
          }
          test "weights begin as they were defined to" {
              let network =
                  NetworkModule.Create(planOf "input 4x4x3\nlayerscale 0.25", 1UL, torch.float32, torch.CPU)

              let factor = network.parameters () |> Seq.exactlyOne
              Expect.sequenceEqual (factor.data<float32>()) [ 0.25f; 0.25f; 0.25f ] "factors"
          }
          test "frozen, their weights are kept" {
              let plan = planOf "input 4x4x3\nlayerscale frozen"
              Expect.equal (plan.Parameters, plan.Trainable) (3L, 0L) "parameters"
          }
          test "their mistakes are said like any other" {
              says "input 8x8x4\nsqueezeexcite 5" "4 channels cannot be squeezed by 5"
              says "input 8x8x4\nsqueezeexcite 0" "0 is too small"
              says "input 8x8x4\nsqueezexcite 2" "did you mean 'squeezeexcite'?"
              says "input 8x8x4\nsqueezeexcite rato=2" "did you mean 'ratio'?"
              says "input 8x8x4\nlayerscale 11" "a number from 0 to 10"
              says "input 8x8x4\nlayersale" "did you mean 'layerscale'?"
              says "input 4\nsqueezeexcite" "'squeezeexcite'"
          }
          test "their defaults reach them" {
              let plan = planOf "defaults { squeezeexcite ratio=2 }\ninput 8x8x4\nsqueezeexcite"

              Expect.equal plan.Parameters (2L * 4L * 2L + 6L) "parameters"
          }
          test "a forward pass that gives another shape than the plan's is refused" {
              let wider =
                  OwnLayer.Define(
                      "wider",
                      OwnLayer.Help("Nothing.", "wider", "input 8; wider"),
                      [],
                      fun site ->
                          OwnLayer.Plan(
                              site.Input,
                              site.Field,
                              fun call -> torch.cat ([| call.Input; call.Input |], 1L)
                          )
                  )

              let text = source "network N { input 8\nwider\ndense 2 }"
              let plan = Script.Network(text, null, [], catalogues.WithLayer wider).Value
              use network = NetworkModule.Create(plan, 1UL, torch.float32, torch.CPU)

              let message =
                  try
                      use x = torch.zeros [| 3L; 8L |]
                      use _ = network.forward x
                      ""
                  with :? InvalidOperationException as e ->
                      e.Message

              Expect.equal
                  message
                  "'wider1': the forward pass of 'wider' gave samples of 16, and its plan says 8."
                  "says which layer, and both shapes"
          }
          test "without them in the catalogues, their words are unknown" {
              let result =
                  Script.Check(source "network N {\ninput 8x8x4\nlayerscale\n}", catalogues)

              Expect.isTrue result.HasErrors "an error"
          }
          test "they say whether they keep or average their inputs' elements, and what they use of the batch" {
              let kept name change =
                  OwnLayer.Define(
                      name,
                      OwnLayer.Help("Nothing.", "kept", $"input 8; {name}"),
                      [],
                      fun site -> OwnLayer.Plan(site.Input, site.Field, fun call -> call.Input) |> change
                  )

              let own =
                  catalogues
                      .WithLayer(kept "computed" id)
                      .WithLayer(kept "kept" OwnLayer.Keeping)
                      .WithLayer(kept "averaged" OwnLayer.Averaging)
                      .WithLayer(kept "normalised" OwnLayer.OverBatch)

              let messages body =
                  let text =
                      $"network N {{ input 28x28x1\nflatten\n{body} }}\ntrain N {{ data mnist; loss cross-entropy; optimizer sgd; accumulate 2 }}"

                  [ for d in (Script.Check(source text, own)).Diagnostics -> d.Message ]

              Expect.equal (messages "dense 10 softmax; computed") [] "other numbers"

              for word in [ "kept"; "averaged" ] do
                  Expect.stringContains (Seq.exactlyOne (messages $"dense 10 softmax; {word}")) "less exact" word

              Expect.equal
                  (messages "normalised; dense 10")
                  [ "'normalised' takes each of the accumulated batches by itself, not all of them together" ]
                  "batch"
          }
          test "a name that is taken, or that is none, is refused" {
              for name in [ "conv"; "layerscale"; "Scale"; "two words"; ""; "relu"; "input"; "same" ] do
                  Expect.throwsT<ArgumentException>
                      (fun () ->
                          own.WithLayer
                              { SqueezeExcite.definition with
                                  Name = name }
                          |> ignore)
                      name
          } ]
