/// Networks with batch normalisation among the kernels that compute 16 samples at a time.
module CnnCluster.Tests.Kernels.Layers.Lanes.NormalisationTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Kernels.Collectives
open CnnCluster.Tests.Kernels.Layers.Lanes.LaneCases
open CnnCluster.Tests.Kernels.Layers.Lanes.NormalisationCases

type private T = torch.Tensor

let private geometry kernel =
    let axes = Axes(kernel, kernel)
    ConvolutionGeometry(axes, Axes(1, 1), Axes(1, 1), Axes(1, 1), Axes(1, 1))

let private inputShape = LaneShape(2, 9, 8)

/// Convolutions, a pooled normalisation, one that is not, and a dense layer with one behind it.
let private layers (generator: Random) =
    let kernel shape = weight (random generator shape)

    let first =
        made
            generator
            5
            { plain StageEnding.ReluMaxPool with
                Shift = false }

    let second, third =
        made generator 3 (plain StageEnding.Relu), made generator 7 (plain StageEnding.Linear)

    [ LaneLayer.Convolution(
          geometry 3,
          kernel [| 5L; 2L; 3L; 3L |],
          LaneWeight(random generator [| 5L |], null),
          StageEnding.Linear
      )
      :> LaneLayer
      first.Layer
      LaneLayer.Convolution(geometry 3, kernel [| 3L; 5L; 3L; 3L |], null, StageEnding.Linear)
      second.Layer
      LaneLayer.Dense(kernel [| 7L; 48L |], null, false)
      third.Layer ],
    [ first; second; third ]

let private samples count =
    random (Random 20) [| count; 2L; 9L; 8L |]

/// Output, gradients (the input's last) and next statistics of a slice.
let private computed step (x: T) (gradient: T) width =
    let layers, norms = layers (Random 3)
    use network = new LaneNetwork(inputShape, layers, width)
    let x = x.detach().clone().requires_grad_ true
    let y = network.Run(x, step)
    y.backward [| gradient |]
    step.ThrowIfFailed()

    let gradients =
        [ for layer in layers do
              for weight in LaneLayer.WeightsOf layer do
                  match weight.Gradient with
                  | null -> ()
                  | gradient -> gradient ]

    y.detach (), gradients, x.grad, [ for norm in norms -> torch.cat [| norm.Next.Mean; norm.Next.Variance |] ]

let private outputGradient count =
    random (Random 21) [| count; 7L; 1L; 1L |]

[<Tests>]
let tests =
    testList
        "Kernels.Layers.Lanes.Normalisation"
        [ test "registers of every width give the same bits, of outputs and of sums over samples" {
              scope (fun () ->
                  let generator = Random 4
                  let x = random generator [| 37L; 5L; 7L; 6L |]

                  let results =
                      [ for width in widths do
                            let made = made (Random 5) 5 (plain StageEnding.ReluMaxPool)

                            use network = new LaneNetwork(LaneShape(5, 7, 6), [ made.Layer ], Nullable width)

                            let x = x.detach().clone().requires_grad_ true
                            let y = network.Run(x, solo true 37L)
                            y.backward [| random (Random 6) y.shape |]

                            [ y.detach ()
                              x.grad
                              nonNull made.Scale.Value.Gradient
                              nonNull made.Shift.Value.Gradient
                              made.Next.Mean
                              made.Next.Variance ]
                            |> List.map bits ]

                  Expect.allEqual results results.Head "each width")
          }

          test "without training, a prefix of a batch has the bits of the batch" {
              scope (fun () ->
                  let layers, _ = layers (Random 3)
                  use network = new LaneNetwork(inputShape, layers)
                  let x = samples 45L
                  use _ = torch.no_grad ()
                  let whole = bits (network.Run(x, solo false 45L))

                  for count in [ 1L; 15L; 16L; 17L; 33L ] do
                      let part = bits (network.Run(x.narrow (0L, 0L, count), solo false count))
                      Expect.equal part whole[.. part.Length - 1] $"{count} samples")
          }

          test "several workers compute what one computes, an empty slice among them" {
              scope (fun () ->
                  let x, gradient = samples 40L, outputGradient 40L

                  let y, slopes, ofInput, statistics =
                      computed (solo true 40L) x gradient (Nullable())

                  let slices = [| 0L, 19L; 19L, 0L; 19L, 21L |]

                  let ranks =
                      Ranks.disposing (Ranks.inProcess 3 Ranks.bound) (fun collectives ->
                          Ranks.onThreads (Array.zip collectives slices) (fun (collective, (first, count)) ->
                              let part (tensor: T) = tensor.narrow (0L, first, count)
                              computed (stepOf collective true 40L) (part x) (part gradient) (Nullable()))
                          |> Ranks.all)

                  let joined part =
                      torch.cat ([| for rank in ranks -> part rank |], 0L)

                  Expect.isLessThan (distance (wide y) (joined (fun (y, _, _, _) -> y))) 1e-6 "outputs"
                  Expect.isLessThan (distance (wide ofInput) (joined (fun (_, _, x, _) -> x))) 2e-6 "input's gradient"

                  for i, slope in List.indexed slopes do
                      let sum =
                          ranks
                          |> Array.map (fun (_, slopes, _, _) -> slopes[i])
                          |> Array.reduce (fun a b -> a.Plus b)

                      Expect.isLessThan (distance (wide slope) sum) 2e-6 $"gradient {i}"

                  for _, _, _, own in ranks do
                      for expected, actual in List.zip statistics own do
                          Expect.isLessThan (distance (wide expected) actual) 1e-6 "running statistics"

                  Expect.allEqual
                      [ for _, _, _, own in ranks -> own |> List.map bits ]
                      (let _, _, _, own = ranks[0] in own |> List.map bits)
                      "each rank's running statistics")
          }

          test "two passes may be under way before either goes back" {
              scope (fun () ->
                  let layers, _ = layers (Random 3)
                  use network = new LaneNetwork(inputShape, layers)
                  let a, b = samples 5L, random (Random 30) [| 20L; 2L; 9L; 8L |]
                  a.requires_grad <- true
                  let run (x: T) = network.Run(x, solo true x.shape[0])
                  let first, second = run a, run b
                  (first * outputGradient 5L).sum().backward()
                  (second * outputGradient 20L).sum().backward()
                  let together = bits a.grad
                  a.grad.zero_ () |> ignore
                  (run a * outputGradient 5L).sum().backward()
                  Expect.equal (bits a.grad) together "the first pass' gradient")
          }

          test "a NaN makes its channel NaN, also behind ReLU and pooling, and leaves the others alone" {
              scope (fun () ->
                  let made = made (Random 8) 3 (plain StageEnding.ReluMaxPool)
                  use network = new LaneNetwork(LaneShape(3, 4, 4), [ made.Layer ])
                  let x = random (Random 9) [| 2L; 3L; 4L; 4L |]
                  x[1, 1, 2, 2] <- torch.tensor nanf
                  use _ = torch.no_grad ()
                  let y = network.Run(x, solo true 2L)
                  let isNaN = y.isnan().sum([| 0L; 2L; 3L |]).data<int64>().ToArray()
                  Expect.equal isNaN [| 0L; 8L; 0L |] "pixels of each channel")
          }

          test "a worker that keeps to itself takes its own statistics, and none of an empty slice" {
              scope (fun () ->
                  let made =
                      made
                          (Random 8)
                          3
                          { plain StageEnding.Linear with
                              Sync = false }

                  use network = new LaneNetwork(LaneShape(3, 4, 4), [ made.Layer ])
                  use _ = torch.no_grad ()
                  // Nobody answers it.
                  let collectives = Ranks.inProcess 2 Ranks.bound

                  network.Run(torch.zeros [| 0L; 3L; 4L; 4L |], stepOf collectives[0] true 9L)
                  |> ignore

                  Expect.equal (bits made.Next.Mean) (bits made.Current.Mean) "kept"
                  let x = random (Random 9) [| 2L; 3L; 4L; 4L |]
                  let y = network.Run(x, stepOf collectives[0] true 9L)

                  let means =
                      (wide y - (wide made.Shift.Value.Value).reshape [| 1L; 3L; 1L; 1L |]).mean [| 0L; 2L; 3L |]

                  Expect.isLessThan (means.abs().max().item<float>()) 1e-6 "of its two samples alone")
          }

          test "a peer that is gone is reported by the pass forward, and by the step backward" {
              scope (fun () ->
                  use collective = new SoloCollective()
                  let layers, _ = layers (Random 3)
                  use network = new LaneNetwork(inputShape, layers)
                  let step = stepOf collective true 4L
                  let x = (samples 4L).requires_grad_ true
                  let y = network.Run(x, step)
                  collective.Abort "gone"
                  y.sum().backward()
                  Expect.throwsT<CollectiveException> step.ThrowIfFailed "kept for the training thread"
                  Expect.throwsT<CollectiveException> (fun () -> network.Run(x, step) |> ignore) "said at once")
          } ]
