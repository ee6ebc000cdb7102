/// Shards that go through lanes together.
module CnnCluster.Tests.Kernels.Layers.Lanes.LaneShardsTests

open System
open System.Threading
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Tests.Kernels.Collectives
open CnnCluster.Tests.Kernels.Layers.Lanes.LaneCases
open CnnCluster.Tests.Kernels.Layers.Lanes.NormalisationCases

type private T = torch.Tensor

/// A convolution with its normalisation, a normalisation that follows a pooled convolution, and one of dense layers.
let private layers (flat: T) (generator: Random) =
    let mutable start = 0L

    // Gradients are stretches of one buffer, as in an arena.
    let trained (shape: int64[]) =
        let length = Array.fold (*) 1L shape
        let gradient = flat.narrow(0L, start, length).view shape
        start <- start + length
        LaneWeight((random generator shape).requires_grad_ true, gradient)

    let square kernel =
        ConvolutionGeometry(Axes(kernel, kernel), Axes(1, 1), Axes(1, 1), Axes(1, 1), Axes(1, 1))

    let norm channels ending =
        let statistics () =
            LaneStatistics(torch.zeros (int64 channels), torch.ones (int64 channels))

        let next = statistics ()

        LaneLayer.Normalisation(
            NormalisationSettings(momentum, epsilon, true, false),
            trained [| int64 channels |],
            trained [| int64 channels |],
            statistics (),
            next,
            ending
        )
        :> LaneLayer,
        next

    let convolution out into ending =
        LaneLayer.Convolution(square 3, trained [| out; into; 3L; 3L |], trained [| out |], ending) :> LaneLayer

    let first = convolution 5L 2L StageEnding.Linear
    let second, firstNext = norm 5 StageEnding.ReluMaxPool
    let third = convolution 3L 5L StageEnding.MaxPool
    let fourth, secondNext = norm 3 StageEnding.Relu

    let fifth =
        LaneLayer.Dense(trained [| 7L; 12L |], trained [| 7L |], true) :> LaneLayer

    let sixth, thirdNext = norm 7 StageEnding.Linear
    [ first; second; third; fourth; fifth; sixth ], [ firstNext; secondNext; thirdNext ]

[<Literal>]
let private Gradients = 400L

/// A network of its own, with the buffer that its gradients lie in.
let private network () =
    let flat = torch.zeros Gradients
    let layers, statistics = layers flat (Random 3)
    new LaneNetwork(LaneShape(2, 9, 8), layers), flat, statistics

let private inputs step counts : T[] =
    [| for shard, count in Array.indexed counts -> random (Random(100 * step + shard)) [| count; 2L; 9L; 8L |] |]

let private outputGradients step counts : T[] =
    [| for shard, count in Array.indexed counts -> random (Random(50 + 100 * step + shard)) [| count; 7L; 1L; 1L |] |]

/// Bits of a shard that may be empty.
let private bitsOf (tensor: T) =
    if tensor.numel () = 0L then Array.empty else bits tensor

let private statisticsBits (statistics: LaneStatistics list) =
    [ for next in statistics -> bits next.Mean, bits next.Variance ]

let private steps = 2

/// Each shard by a network and a thread of its own: outputs and gradients of all steps, and the first one's statistics.
let private apart (counts: int64[]) =
    let range = LeafRange(0, counts.Length)
    use group = new ShardGroup(new SoloCollective(), range, counts.Length)
    let results = Array.init steps (fun _ -> Array.zeroCreate counts.Length)
    let statistics = Array.zeroCreate counts.Length
    let networks = [| for _ in counts -> network () |]

    for step in 0 .. steps - 1 do
        group.Begin()

        for shard in 0 .. counts.Length - 1 do
            let work () =
                use _ = torch.NewDisposeScope()
                let network, flat, next = networks[shard]
                let context = stepOf (group.SumsOf shard) true (Array.sum counts)
                let y = network.Run((inputs step counts)[shard], context)
                y.backward [| (outputGradients step counts)[shard] |]
                context.ThrowIfFailed()
                results[step][shard] <- bitsOf (y.detach ()), bits flat
                statistics[shard] <- statisticsBits next

            Thread((fun () -> group.Run(shard, work)), IsBackground = true).Start()

        group.End()

    for network, flat, _ in networks do
        network.Dispose()
        flat.Dispose()

    results, statistics[0]

/// All of them together.
let private together (counts: int64[]) =
    use _ = torch.NewDisposeScope()
    let network, own, next = network ()
    use _ = network

    use sums =
        new ShardSum(new SoloCollective(), LeafRange(0, counts.Length), counts.Length)

    use shards = new LaneShards(network, counts.Length, sums)
    let gradients: T[] = [| for _ in counts -> torch.zeros Gradients |]
    let outputs: T[] = Array.zeroCreate counts.Length
    let context = solo true (Array.sum counts)

    let results =
        [| for step in 0 .. steps - 1 do
               shards.Forward(ReadOnlySpan(inputs step counts), context, Span outputs)
               shards.Backward(ReadOnlySpan(outputGradients step counts), context, own, ReadOnlySpan gradients)
               Array.map2 (fun output gradient -> bitsOf output, bits gradient) outputs gradients |]

    Expect.all (bits own) (fun x -> x = 0.0f) "the network's own gradients are left alone"
    results, statisticsBits next

[<Tests>]
let tests =
    testList
        "Kernels.Layers.Lanes.Shards"
        [ for counts in [ [| 16L; 16L |]; [| 33L; 5L; 17L |]; [| 1L; 0L; 20L; 3L; 0L |]; [| 40L |] ] do
              test $"shards of %A{List.ofArray counts} samples have the bits of passes of their own" {
                  Expect.equal (together counts) (apart counts) "outputs, gradients and running statistics"
              }
          test "samples of another size, and buffers of other shards, are refused" {
              let network, _, _ = network ()
              use _ = network
              use sums = new ShardSum(new SoloCollective(), LeafRange(0, 2), 2)
              use shards = new LaneShards(network, 2, sums)

              let samples: T[] =
                  [| torch.zeros [| 1L; 2L; 9L; 8L |]; torch.zeros [| 1L; 2L; 9L; 9L |] |]

              let outputs: T[] = Array.zeroCreate 2

              Expect.throwsT<ArgumentException>
                  (fun () -> shards.Forward(ReadOnlySpan samples, solo true 2L, Span outputs))
                  "9×9"

              Expect.throwsT<ArgumentException>
                  (fun () -> sums.AllReduceSum(ReadOnlySpan [| torch.zeros 3L |]))
                  "one buffer of two shards"
          } ]
