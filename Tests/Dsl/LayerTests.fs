module CnnCluster.Tests.Dsl.LayerTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers
open CnnCluster.Kernels
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks

[<Tests>]
let laws =
    testList
        "Dsl.Layers"
        [ for layer in Catalogue.layers do
              test $"{layer.Name} has its cases here" { Expect.isTrue (cases.ContainsKey layer.Name) "cases" }
          for name, body in everyCase do
              for training in [ true; false ] do
                  for count in [ 0L; 1L; 3L ] do
                      if not (training && count = 0L && name = "batchnorm") then
                          test $"{body.Replace('\n', ';')}: {count} samples have the planned shape, training {training}" {
                              scope (fun () ->
                                  let plan, _, _, _, y = run body training count
                                  Expect.sequenceEqual y.shape (expectedShape plan count) "shape")
                          } ]

// ---- gradients ----

let private loss (network: NetworkModule) (x: torch.Tensor) =
    let y = network.forward x
    (y * scores y).sum()

/// Central differences, an element at a time; the tensor's memory is changed and put back.
let private differences (tensor: torch.Tensor) (lossNow: unit -> float) =
    [| for i in 0 .. int (tensor.numel ()) - 1 ->
           let h = 1e-5
           let was = (TensorMemory.Span<float> tensor)[i]

           let withValue value =
               let memory = TensorMemory.Span<float> tensor
               memory[i] <- value
               lossNow ()

           let slope = (withValue (was + h) - withValue (was - h)) / (2.0 * h)
           let memory = TensorMemory.Span<float> tensor
           memory[i] <- was
           slope |]

let private gradientsAgree body =
    scope (fun () ->
        let plan, network, tensors, x, _ = run body true 3L

        let lossNow () =
            use _ = torch.NewDisposeScope()
            use _ = torch.no_grad ()
            (loss network x).item<float>()

        x.requires_grad <- true
        (loss network x).backward()
        let input = values x.grad
        x.requires_grad <- false
        Expect.isLessThan (distance (differences x lossNow) input) 1e-6 "the input's gradient"

        for name, weight, gradient in Seq.zip3 plan.Weights tensors.Weights tensors.Gradients do
            Expect.isLessThan (distance (differences weight lossNow) (values gradient)) 1e-6 name.Name)

[<Tests>]
let gradients =
    testList
        "Dsl.Layers gradients"
        [ for _, body in everyCase do
              test $"{body.Replace('\n', ';')}: the gradients are the slopes" { gradientsAgree body } ]
