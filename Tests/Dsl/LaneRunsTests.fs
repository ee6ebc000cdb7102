/// Which layers are computed in lanes, and that a network with lanes is the network without them.
module CnnCluster.Tests.Dsl.LaneRunsTests

open System
open System.Collections.Generic
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Tracing
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks

/// The first and the last layer of each run.
let private runs body =
    let plan = planOf body
    [ for run in LaneRuns.ofPlan plan -> plan.Nodes[run.First].Path, plan.Nodes[run.Last].Path ]

let private lenet =
    "input 28x28x1
    conv 6 5x5 pad=same relu
    maxpool 2x2
    conv 16 5x5 relu
    maxpool 2x2
    flatten
    dense 120 relu
    dense 84 relu
    dense 10"

let private normalised =
    lenet
        .Replace("pad=same relu", "pad=same; batchnorm relu")
        .Replace("conv 16 5x5 relu", "conv 16 5x5; batchnorm relu")

let private networkWith (kernels: LayerKernels) (plan: NetworkPlan) =
    let allocate (tensors: NamedTensor seq) : Tensor seq =
        [| for tensor in tensors -> torch.zeros (Array.ofSeq tensor.Shape, dtype = Nullable torch.float32) |]

    let tensors =
        { Weights = Array.ofSeq (allocate plan.Weights)
          Gradients = Array.ofSeq (allocate plan.Weights)
          Buffers = Array.ofSeq (allocate plan.Buffers)
          NextBuffers = Array.ofSeq (allocate plan.Buffers) }

    let network = new NetworkModule(plan, tensors, kernels)
    network.Initialise 5UL
    network, tensors

/// The output for 20 samples, and the gradients of all weights.
let private computed kernels plan =
    let network, tensors = networkWith kernels plan
    use network = network
    network.Step <- step true 20L
    // Multiples of 1/8, whose sums of products are exact: no ReLU decides otherwise for a rounding.
    let eighths (wave: float -> float) i = round (8.0 * wave i) / 8.0

    for w, weight in Seq.indexed [ yield! tensors.Weights; yield! tensors.Buffers ] do
        fill weight (eighths (fun i -> cos (1.3 * i + float w)))

    // A frozen batch normalisation takes their roots.
    for buffer, tensor in Seq.zip plan.Buffers tensors.Buffers do
        if buffer.Name.EndsWith "/variance" then
            fill tensor (eighths (fun i -> 1.5 + cos (1.3 * i)))

    let x = (samples plan 20).``to`` torch.float32
    fill x (eighths (fun i -> sin (0.7 * i + 0.3)))
    let y = network.forward x
    (y * (scores y).``to`` torch.float32).sum().backward()
    network.Step.ThrowIfFailed()

    let all (tensors: Tensor seq) =
        [| for tensor in tensors do
               yield! values (tensor.``to`` torch.float64) |]

    all [ y ], all tensors.Gradients, all tensors.NextBuffers

let private apart (actual: float[]) (expected: float[]) =
    let norm numbers =
        numbers |> Array.sumBy (fun n -> n * n) |> sqrt

    norm (Array.map2 (-) actual expected) / norm expected

let private networks =
    [ "LeNet-5", lenet
      "smooth activations around a run",
      "input 12x12x2; conv 4 3x3 tanh; conv 5 3x3 relu; maxpool 2x2; conv 3 2x2; flatten; dense 7 sigmoid"
      "a frozen layer", "input 12x12x2; conv 4 3x3 relu frozen; conv 5 3x3 relu; flatten; dense 7"
      "a single row under padding", "input 1x28x1; conv 6 3x3 pad=same relu; flatten; dense 10"

      "no bias", "input 12x12x2; conv 4 3x3 relu bias=no; maxpool 2x2; flatten; dense 7 bias=no"
      "a block used twice", "input 12x12x2; repeat 2 { conv 3 3x3 pad=same relu }; flatten; dense 5"
      "a branch",
      "input 12x12x3; conv 4 3x3 pad=same relu as a; conv 4 3x3 pad=same relu; add a here; conv 4 3x3 relu; flatten; dense 5"
      "LeNet-5 with batch norm behind its convolutions", normalised
      "batch norm behind ReLU, pooling and a dense layer",
      "input 12x12x2; conv 4 3x3 relu; batchnorm; maxpool 2x2; batchnorm momentum=0.5; flatten; dense 7; batchnorm relu; dense 3"
      "batch norm without scale, without shift, and frozen",
      "input 12x12x2; conv 4 3x3; batchnorm scale=no; conv 5 3x3; batchnorm relu shift=no; conv 3 3x3; batchnorm frozen; flatten; dense 7"
      "a block with batch norm used twice",
      "input 12x12x2; repeat 2 { conv 3 3x3 pad=same; batchnorm relu }; flatten; dense 5"
      "dropout between", "input 12x12x2; conv 4 3x3 relu; dropout 0.5; conv 3 3x3 relu; flatten; dense 5" ]

/// Convolutions that are computed two by two results at once.
let private windowed =
    [ "with and without ReLU", "input 8x8x16; conv 16 3x3 pad=same relu; conv 32 3x3 pad=same; flatten; dense 3"
      "another activation", "input 8x8x16; conv 16 3x3 pad=same tanh bias=no; flatten; dense 3"
      "frozen ones", "input 8x8x16; conv 16 3x3 pad=same relu frozen; conv 16 3x3 pad=same relu; flatten; dense 3"
      "behind channels that fill no vector",
      "input 8x8x3; conv 16 3x3 pad=same relu; conv 16 3x3 relu; maxpool 2x2; flatten; dense 3"
      "a branch, and a ReLU in place behind it",
      "input 8x8x16; conv 16 3x3 pad=same relu as a; conv 16 3x3 pad=same; add a here relu; conv 16 3x3 pad=same; globalavgpool; dense 3"
      "shared ones", "input 8x8x16; repeat 2 { conv 16 3x3 pad=same relu }; globalavgpool; dense 3"
      "batch norm behind them",
      "input 8x8x16; conv 32 3x3 pad=same bias=no; batchnorm relu; conv 16 3x3 pad=same; batchnorm; globalavgpool; dense 3" ]

let private agreeBy kernels (body: string) =
    let plan = planOf body
    let output, gradients, statistics = computed kernels plan

    let expected, expectedGradients, expectedStatistics =
        computed LayerKernels.Library plan

    // Behind a normalisation and a smooth activation no sum is exact.
    let isNormalised =
        plan.Buffers |> Seq.exists (fun buffer -> buffer.Name.EndsWith "/mean")

    let isSmooth = [ "tanh"; "sigmoid" ] |> List.exists body.Contains
    let rounding = if isNormalised || isSmooth then 1e-5 else 1e-6
    Expect.isLessThan (apart output expected) rounding "outputs"
    Expect.isLessThan (apart gradients expectedGradients) (2.0 * rounding) "gradients"

    if isNormalised then
        Expect.isLessThan (apart statistics expectedStatistics) 1e-6 "running statistics"

/// The spans of a forward and a backward pass.
let private tracedPass body =
    let network, _ = networkWith LayerKernels.Lanes (planOf body)
    use network = network
    network.Step <- step true 4L
    let spans = List<TraceEvent>()
    let track = TraceTrack(1L, (fun full -> spans.AddRange full), null)
    let x = (samples network.Plan 4).``to`` torch.float32
    Trace.Attach track

    try
        (network.forward x).sum().backward()
    finally
        Trace.Attach null

    network.Step.ThrowIfFailed()
    track.Flush()
    List.ofSeq spans

let private agree body = agreeBy LayerKernels.Lanes body

[<Tests>]
let tests =
    testList
        "Dsl.LaneRuns"
        [ test "LeNet-5 is one run" { Expect.equal (runs lenet) [ "conv1", "dense3" ] "from image to logits" }

          test "LeNet-5 with batch norm is one run" {
              Expect.equal (runs normalised) [ "conv1", "dense3" ] "from image to logits"
          }

          for why, body, expected in
              [ "another activation",
                "input 8x8x1; conv 4 3x3 relu; conv 4 3x3 tanh; flatten; dense 2",
                [ "conv1", "conv1" ]
                "dropout", "input 8x8x1; conv 4 3x3 relu; dropout 0.5; flatten; dense 2", [ "conv1", "conv1" ]
                "pooling of another kind",
                "input 9x9x1; conv 4 3x3 relu; maxpool 3x3; flatten; dense 2",
                [ "conv1", "conv1" ]
                "many taps", "input 8x8x1; conv 12 3x3 relu; conv 9 5x5 relu", [ "conv1", "conv1" ]
                "a second reader",
                "input 8x8x1; conv 4 3x3 pad=same relu as a; conv 4 3x3 pad=same; add a here",
                [ "conv1", "conv1"; "conv2", "conv2" ]
                "a flatten whose vector is something else's",
                "input 8x8x1; conv 4 3x3 relu; flatten; dense 2 tanh",
                [ "conv1", "conv1" ] ] do
              test $"a run ends at {why}" { Expect.equal (runs body) expected body }

          for why, body in
              [ "groups", "input 8x8x4; conv 4 3x3 groups=2 relu; flatten; dense 2"
                "many filters", "input 8x8x3; conv 16 3x3 relu; maxpool 2x2; flatten; dense 2"
                "images whose numbers 32 bits do not count", "input 4096x4096x3; conv 2 3x3 pad=same relu; maxpool 2x2"
                "batch norm alone", "input 8x8x1; batchnorm relu; maxpool 2x2"
                "dense layers alone", "input 8x8x1; flatten; dense 20 relu; dense 2"
                "one side", "input 20x2; conv 4 3 relu; flatten; dense 2" ] do
              test $"there is none of {why}" { Expect.isEmpty (runs body) body }

          for name, body in networks do
              test $"lanes and libtorch compute the same: {name}" {
                  scope (fun () ->
                      Expect.isNonEmpty (LaneRuns.ofPlan (planOf body)) "there is a run"
                      agree body)
              }

          test "for measurements lanes take what is left to libtorch otherwise, and compute the same" {
              scope (fun () ->
                  let body =
                      "input 8x8x3; conv 16 3x3 relu; maxpool 2x2; conv 20 3x3 pad=same relu; flatten; dense 2"

                  let everywhere =
                      [ for run in LaneRuns.everywhere (planOf body) -> run.First, run.Last ]

                  Expect.equal (runs body, everywhere) ([], [ 0, 4 ]) "all of it"
                  agreeBy LayerKernels.LanesEverywhere body)
          }

          test "a trace has what our kernels' backward passes take, by the names of the forward passes" {
              torch.set_num_threads 1

              scope (fun () ->
                  let spans =
                      tracedPass
                          "input 8x8x1; conv 4 3 pad=same relu; maxpool 2; conv 16 3 pad=same tanh; conv 16 3 pad=same relu; maxpool 2; batchnorm; flatten; dense 3"

                  let named category =
                      [ for span in spans do
                            if span.Category = category then span.Name ]

                  Expect.equal
                      (named TraceCategory.Backward)
                      [ "batchnorm1"; "maxpool2"; "conv3"; "conv1 to maxpool1" ]
                      "batch norm, pooling, Winograd's algorithm and lanes"

                  Expect.containsAll (named TraceCategory.Layer) (named TraceCategory.Backward) "as forward")
          }

          for name, body in windowed do
              test $"3×3 convolutions of ours and libtorch compute the same: {name}" {
                  // They are of one thread.
                  torch.set_num_threads 1
                  scope (fun () -> agree body)
              } ]
