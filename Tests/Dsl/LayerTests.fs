module CnnCluster.Tests.Dsl.LayerTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers
open CnnCluster.Kernels
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl
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

/// Whether a network's gradients are the slopes of its outputs, in float64.
let gradientsOf plan =
    scope (fun () ->
        let plan, network, tensors, x, _ = runPlan plan true 3L

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

let private gradientsAgree body = gradientsOf (planOf body)

[<Tests>]
let gradients =
    testList
        "Dsl.Layers gradients"
        [ for _, body in everyCase do
              test $"{body.Replace('\n', ';')}: the gradients are the slopes" { gradientsAgree body } ]

// ---- slices ----

/// Further networks, wide enough for libtorch's fast ways, of which it chooses by the number of samples.
let private wide =
    [ "input 9x9x16\nconv 24 3 pad=1"
      "input 9x9x64\nconv 32 1"
      "input 9x9x64\nconv 32 1 stride=2"
      "input 9x9x24\nconv 24 3x1 groups=4"
      "input 40x20\nconv 24 3 pad=same"
      "input 5x6x7x8\nconv 16 3 pad=1"
      "input 5x6x7x8\nconv 16 1"
      "input 9x9x32\ndepthwise 3 pad=same"
      "input 9x9x32\nseparable 48 3 stride=2"
      "input 6x6x32\nconvtranspose 16 3 stride=2 pad=same"
      "input 6x6x32\nconvtranspose 16 1"
      "input 6x6x32\nconvtranspose 32 2 stride=2 groups=32"
      "input 4x4x4x8\nconvtranspose 8 2 stride=2"
      "input 20x20x1\nglobalavgpool"
      "input 7x7x19\nglobalavgpool"
      "input 7x7x19\nadaptiveavgpool 3"
      "input 7x7x19\nlayernorm"
      "input 7x7x19\nlayernorm all"
      "input 7x7x24\ngroupnorm 4"
      "input 7x7x24\nlocalresponsenorm"
      "input 1x1x24\nconv 32 3 pad=1"
      "input 1x1x24\nconv 32 3 pad=same dilation=2"
      for layer in ChannelsLast.layers do
          ChannelsLast.behindConvolution layer ]

/// With several threads oneDNN shares out a grouped convolution of few channels by the number of samples.
let private sharedOut = "input 6x3\ndepthwise 3 stride=2 pad=same multiplier=2"

/// In float32, on the first samples of the batch.
let private outputOf (network: NetworkModule) (batch: torch.Tensor) count =
    network.forward(batch.narrow (0L, 0L, count)).``to``(torch.float64) |> values

let private sliceless body training =
    scope (fun () ->
        let plan = planOf body
        use network = NetworkModule.Create(plan, 3UL, torch.float32, torch.CPU)
        network.Step <- step training 37L
        let batch = (samples plan 37).``to`` torch.float32
        let whole = outputOf network batch 37L

        for count in [ 1L; 2L; 5L; 15L; 16L; 17L ] do
            let alone = outputOf network batch count
            Expect.equal alone (Array.take alone.Length whole) $"{count} samples of 37")

[<Tests>]
let slices =
    testList
        "Dsl.Layers slices"
        [ for body in wide @ List.map snd everyCase do
              for training in [ false; true ] do
                  if body <> sharedOut && not (training && body.Contains "batchnorm") then
                      test
                          $"{body.Replace('\n', ';')}: a sample's bits do not depend on the others, training {training}" {
                          sliceless body training
                      } ]
