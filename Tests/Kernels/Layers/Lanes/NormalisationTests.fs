/// Batch normalisation among the kernels that compute 16 samples at a time, on registers of every width.
module CnnCluster.Tests.Kernels.Layers.Lanes.NormalisationTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Kernels.Collectives

type private T = torch.Tensor

let private widths =
    [ RegisterWidth.Bits128; RegisterWidth.Bits256; RegisterWidth.Bits512 ]

let private endings = Enum.GetValues<StageEnding>()

let private pools ending =
    ending = StageEnding.MaxPool || ending = StageEnding.ReluMaxPool

let private rectifies ending =
    ending = StageEnding.Relu || ending = StageEnding.ReluMaxPool

/// Multiples of 1/8: what is greatest is so in float32 as in float64, and there are ties to decide.
let private random (generator: Random) (shape: int64[]) =
    let count = int (Array.fold (*) 1L shape)

    torch.tensor([| for _ in 1..count -> single (generator.Next(-8, 9)) / 8.0f |], dtype = torch.float32).reshape shape

let private wide (tensor: T) =
    tensor.detach().``to``(torch.float64).clone()

/// ‖a − b‖, relative to ‖a‖ or, where that is next to nothing, to the numbers that it was made of.
let private distance (expected: T) (actual: T) =
    let norm (tensor: T) = tensor.norm().item<float>()

    norm (expected - (wide actual).reshape expected.shape)
    / max (norm expected) (sqrt (float (expected.numel ())))

let private bits (tensor: T) = tensor.data<single>().ToArray()

let private momentum = 0.9
let private epsilon = 1e-3

type private Settings =
    { Sync: bool
      Frozen: bool
      Scale: bool
      Shift: bool
      Ending: StageEnding }

let private plain ending =
    { Sync = true
      Frozen = false
      Scale = true
      Shift = true
      Ending = ending }

/// A layer, with what it changes.
type private Made =
    { Layer: LaneLayer
      Scale: LaneWeight option
      Shift: LaneWeight option
      Current: LaneStatistics
      Next: LaneStatistics }

let private weight (value: T) =
    LaneWeight(value.requires_grad_ true, torch.zeros_like value)

let private made (generator: Random) channels (settings: Settings) =
    let shape = [| int64 channels |]

    let some is =
        if is then Some(weight (random generator shape)) else None

    let scale, shift = some settings.Scale, some settings.Shift

    let current =
        LaneStatistics(random generator shape, (random generator shape).abs() + Scalar.op_Implicit 0.125)

    let next = LaneStatistics(current.Mean.clone (), current.Variance.clone ())

    { Layer =
        LaneLayer.Normalisation(
            NormalisationSettings(momentum, epsilon, settings.Sync, settings.Frozen),
            Option.toObj scale,
            Option.toObj shift,
            current,
            next,
            settings.Ending
        )
      Scale = scale
      Shift = shift
      Current = current
      Next = next }

let private stepOf collective training (samples: int64) =
    StepContext(1UL, collective, Training = training, GlobalBatch = samples)

let private solo training samples =
    stepOf (new SoloCollective()) training samples

/// The same by the formula, in float64: what comes out, and the gradients of input, scale and shift. `passed` says where
/// the kernel's ReLU let through, as rounding may move an element over its edge.
let private formula (settings: Settings) ofBatch (made: Made) (x: T) (gradient: T) (passed: T) =
    let x = (wide x).requires_grad_ true
    let along (c: T) = c.reshape [| 1L; -1L; 1L; 1L |]

    let mean, variance =
        if ofBatch then
            let mean = x.mean [| 0L; 2L; 3L |]
            mean, (x - along mean).square().mean [| 0L; 2L; 3L |]
        else
            wide made.Current.Mean, wide made.Current.Variance

    let leaf = Option.map (fun (w: LaneWeight) -> (wide w.Value).requires_grad_ true)

    let scale, shift = leaf made.Scale, leaf made.Shift
    let normal = (x - along mean) / (along variance + Scalar.op_Implicit epsilon).sqrt()
    let scaled = scale |> Option.fold (fun y w -> y * along w) normal
    let z = shift |> Option.fold (fun y w -> y + along w) scaled

    let pooled =
        if pools settings.Ending then
            torch.nn.functional.max_pool2d (z, [| 2L; 2L |])
        else
            z

    let y = if rectifies settings.Ending then pooled * wide passed else pooled
    y.backward [| wide gradient |]
    let output = if rectifies settings.Ending then pooled.relu () else pooled
    let slope = Option.map (fun (w: T) -> w.grad)
    output.detach (), (x.grad, slope scale, slope shift), (mean.detach (), variance.detach ())

let private drawn seed =
    let generator = Random(seed: int)
    let yes () = generator.Next 4 > 0
    let ending = endings[generator.Next endings.Length]
    let least = if pools ending then 2 else 1
    let side () = least + generator.Next 8

    let settings =
        { Sync = yes ()
          Frozen = not (yes ())
          Scale = yes ()
          Shift = yes ()
          Ending = ending }

    let shape = LaneShape(1 + generator.Next 9, side (), side ())
    let offset = [| 0.0; 3.0; -1000.0 |][generator.Next 3]
    generator, settings, shape, 1 + generator.Next 40, yes (), offset

let private agrees width seed =
    scope (fun () ->
        let generator, settings, shape, count, training, offset = drawn seed
        let made = made generator shape.Channels settings

        let x =
            random generator [| int64 count; int64 shape.Channels; int64 shape.Height; int64 shape.Width |]
            + Scalar.op_Implicit offset

        use network = new LaneNetwork(shape, [ made.Layer ], Nullable width)
        let x = x.detach().requires_grad_ true
        let step = solo training (int64 count)
        let y = network.Run(x, step)
        let gradient = random generator y.shape
        y.backward [| gradient |]
        step.ThrowIfFailed()
        let ofBatch = training && not settings.Frozen
        let passed = y.detach().gt(Scalar.op_Implicit 0.0)

        let expected, (ofInput, ofScale, ofShift), (mean, variance) =
            formula settings ofBatch made x gradient passed

        let why =
            $"{settings}, {shape}, {count} samples, training {training}, mean {offset}"

        Expect.isLessThan (distance expected y) 2e-6 $"output: {why}"
        Expect.isLessThan (distance ofInput x.grad) 2e-6 $"input's gradient: {why}"

        for name, weight, slope in [ "scale", made.Scale, ofScale; "shift", made.Shift, ofShift ] do
            match weight, slope with
            | Some weight, Some slope ->
                Expect.isLessThan (distance slope (nonNull weight.Gradient)) 2e-6 $"{name}'s gradient: {why}"
            | _ -> ()

        let moved (old: T) (fresh: T) =
            if ofBatch then
                wide old * Scalar.op_Implicit momentum
                + fresh * Scalar.op_Implicit (1.0 - momentum)
            else
                wide old

        // A float32 near 1,000 is 6e-5 apart from the next.
        Expect.isLessThan (distance (moved made.Current.Mean mean) made.Next.Mean) 1e-4 $"running mean: {why}"

        Expect.isLessThan
            (distance (moved made.Current.Variance variance) made.Next.Variance)
            1e-6
            $"running variance: {why}")

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
        [ for width in widths do
              testPropertyWithConfig
                  { FsCheckConfig.defaultConfig with
                      maxTest = 100 }
                  $"output, gradients and running statistics are those of the formula in doubles, on {int width} bits"
                  (agrees width)

          test "registers of every width give the same bits, of outputs and of sums over samples" {
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
                          ranks |> Array.map (fun (_, slopes, _, _) -> slopes[i]) |> Array.reduce (+)

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
