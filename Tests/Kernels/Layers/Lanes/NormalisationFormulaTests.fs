/// Batch normalisation in lanes beside its formula in float64, at drawn shapes and settings.
module CnnCluster.Tests.Kernels.Layers.Lanes.NormalisationFormulaTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Kernels.Layers.Lanes.LaneCases
open CnnCluster.Tests.Kernels.Layers.Lanes.NormalisationCases

type private T = torch.Tensor

let private endings = Enum.GetValues<StageEnding>()

/// The same by the formula, in float64: what comes out, and the gradients of input, scale and shift. `passed` says where
/// the kernel's ReLU let through, as rounding may move an element over its edge.
let private formula (settings: Settings) ofBatch (made: Made) (x: T) (gradient: T) (passed: T) =
    let x = (wide x).requires_grad_ true
    let along (c: T) = c.reshape [| 1L; -1L; 1L; 1L |]

    let mean, variance =
        if ofBatch then
            let mean = x.mean [| 0L; 2L; 3L |]
            mean, (x - along mean).Squared().mean [| 0L; 2L; 3L |]
        else
            wide made.Current.Mean, wide made.Current.Variance

    let leaf = Option.map (fun (w: LaneWeight) -> (wide w.Value).requires_grad_ true)

    let scale, shift = leaf made.Scale, leaf made.Shift
    let normal = (x - along mean) / (along variance).Plus(epsilon).sqrt()
    let scaled = scale |> Option.fold (fun y w -> y * along w) normal
    let z = shift |> Option.fold (fun (y: torch.Tensor) w -> y.Plus(along w)) scaled

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
            (random generator [| int64 count; int64 shape.Channels; int64 shape.Height; int64 shape.Width |]).Plus
                offset

        use network = new LaneNetwork(shape, [ made.Layer ], Nullable width)
        let x = x.detach().requires_grad_ true
        let step = solo training (int64 count)
        let y = network.Run(x, step)
        let gradient = random generator y.shape
        y.backward [| gradient |]
        step.ThrowIfFailed()
        let ofBatch = training && not settings.Frozen
        let passed = y.detach().gt(Scalars.Of 0.0)

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
                (wide old * Scalars.Of momentum).Plus(fresh * Scalars.Of(1.0 - momentum))
            else
                wide old

        // A float32 near 1,000 is 6e-5 apart from the next.
        Expect.isLessThan (distance (moved made.Current.Mean mean) made.Next.Mean) 1e-4 $"running mean: {why}"

        Expect.isLessThan
            (distance (moved made.Current.Variance variance) made.Next.Variance)
            1e-6
            $"running variance: {why}")

[<Tests>]
let tests =
    testList
        "Kernels.Layers.Lanes.Normalisation's formula"
        [ for width in widths do
              testPropertyWithConfig
                  { FsCheckConfig.defaultConfig with
                      maxTest = 100 }
                  $"output, gradients and running statistics are those of the formula in doubles, on {int width} bits"
                  (agrees width) ]
