/// Layers and activations against PyTorch's numbers, which `References/layers_references.py` writes down.
module CnnCluster.Tests.Dsl.LayersInPyTorchTests

open System
open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers
open CnnCluster.Tests
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks

let private numbers (json: JsonElement) =
    [| for number in json.EnumerateArray() -> number.GetDouble() |]

let private cases =
    let path = Repository.file "Tests/References/layers.json"
    use document = JsonDocument.Parse(File.ReadAllText path)

    [ for case in document.RootElement.GetProperty("cases").EnumerateArray() ->
          case.GetProperty("body").GetString(),
          numbers (case.GetProperty "shape"),
          numbers (case.GetProperty "output"),
          [ for gradient in case.GetProperty("gradients").EnumerateArray() -> numbers gradient ] ]

let private agrees body shape output (gradients: float[] list) =
    scope (fun () ->
        let plan = planOf body
        let network, tensors = networkOf plan 1UL
        network.Step <- step true 2L
        let x = samples plan 2
        fill x (fun i -> sin (0.7 * i + 0.3))

        for w, weight in Seq.indexed tensors.Weights do
            fill weight (fun i -> cos (1.3 * i + float w) / 2.0)

        x.requires_grad <- true
        let y = network.forward x
        (y * scores y).sum().backward()
        Expect.equal [| for side in y.shape -> float side |] shape "shape"
        Expect.isLessThan (distance output (values y)) 1e-10 "output"
        let own = values x.grad :: [ for g in tensors.Gradients -> values g ]
        Expect.equal own.Length gradients.Length "as many weights"

        for i, (expected, actual) in List.indexed (List.zip gradients own) do
            Expect.isLessThan (distance expected actual) 1e-10 $"gradient {i}")

/// The layer or the activation that a case is of: the last line's.
let private wordOf (body: string) =
    let last = Array.last (body.Split '\n')
    (last.Split([| ' '; '(' |]))[0]

/// What the references do without, and why.
let private exceptions =
    [ "dropout", "its noise is counted, not drawn by PyTorch's generator"
      "spatialdropout", "its noise is counted, not drawn by PyTorch's generator"
      "gaussiannoise", "its noise is counted, not drawn by PyTorch's generator"
      "gaussiandropout", "its noise is counted, not drawn by PyTorch's generator"
      "squareplus", "PyTorch has none"
      "sparsesigmoid", "PyTorch has none"
      "sparseplus", "PyTorch has none" ]

let private catalogue =
    [ for layer in Catalogue.layers do
          layer.Name
      for activation in Activation.all do
          activation.Name ]

[<Tests>]
let tests =
    testList
        "Dsl.Layers in PyTorch"
        [ test "every layer and every activation has its references, but for those that are excepted with a reason" {
              let covered = set [ for body, _, _, _ in cases -> wordOf body ]
              Expect.equal covered (set catalogue - set (List.map fst exceptions)) "words"
          }
          for body, shape, output, gradients in cases do
              test $"{body.Replace('\n', ';')} gives PyTorch's numbers" { agrees body shape output gradients } ]
