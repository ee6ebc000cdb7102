/// Layers of batch normalisation among the kernels that compute 16 samples at a time, each with what it changes.
module CnnCluster.Tests.Kernels.Layers.Lanes.NormalisationCases

open System
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Tests.Kernels.Layers.Lanes.LaneCases

type private T = torch.Tensor

let wide (tensor: T) =
    tensor.detach().``to``(torch.float64).clone()

/// ‖a − b‖, relative to ‖a‖ or, where that is next to nothing, to the numbers that it was made of.
let distance (expected: T) (actual: T) =
    let norm (tensor: T) = tensor.norm().item<float>()

    norm (expected - (wide actual).reshape expected.shape)
    / max (norm expected) (sqrt (float (expected.numel ())))

let bits (tensor: T) = tensor.data<single>().ToArray()

let momentum = 0.9
let epsilon = 1e-3

type Settings =
    { Sync: bool
      Frozen: bool
      Scale: bool
      Shift: bool
      Ending: StageEnding }

let plain ending =
    { Sync = true
      Frozen = false
      Scale = true
      Shift = true
      Ending = ending }

/// A layer, with what it changes.
type Made =
    { Layer: LaneLayer
      Scale: LaneWeight option
      Shift: LaneWeight option
      Current: LaneStatistics
      Next: LaneStatistics }

let weight (value: T) =
    LaneWeight(value.requires_grad_ true, torch.zeros_like value)

let made (generator: Random) channels (settings: Settings) =
    let shape = [| int64 channels |]

    let some is =
        if is then Some(weight (random generator shape)) else None

    let scale, shift = some settings.Scale, some settings.Shift

    let current =
        LaneStatistics(random generator shape, (random generator shape).abs().Plus 0.125)

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

let stepOf collective training (samples: int64) =
    StepContext(1UL, collective, Training = training, GlobalBatch = samples)

let solo training samples =
    stepOf (new SoloCollective()) training samples
