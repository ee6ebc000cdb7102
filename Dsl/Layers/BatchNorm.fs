/// Batch normalisation (Ioffe, Szegedy, ICML 2015): y = scale·(x − μ)/√(σ² + ε) + shift, channel by channel.
module internal CnnCluster.Dsl.Layers.BatchNorm

open System
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Layers
open CnnCluster.Kernels.Layers.Lanes

let private scalar (value: float) = Scalars.Of value

/// Of inputs with so many axes, all but the channels'.
let private axes =
    [| for count in 0..5 -> [| 0L; yield! [ 2L .. int64 count - 1L ] |] |]

/// The shape in which a vector of channels is broadcast over inputs with so many axes.
let private broadcast =
    [| for count in 0..5 -> [| 1L; -1L; yield! List.replicate (max 0 (count - 2)) 1L |] |]

/// A vector of channels, as it is broadcast over x.
let private along (x: torch.Tensor) (channels: torch.Tensor) =
    channels.reshape broadcast[int (x.dim ())]

/// The sum over the whole batch: over all workers, unless each is to keep to itself.
let private batchSum sync (step: StepContext) (x: torch.Tensor) =
    let local = x.sum axes[int (x.dim ())]
    if sync then DifferentiableSum.Of(local, step) else local

/// Mean and biased variance of the batch. The mean comes first, then the squares about it: the difference of two
/// large sums would lose the digits that matter.
let private statistics sync (step: StepContext) (x: torch.Tensor) =
    let samples = if sync then step.GlobalBatch else x.size 0
    let mutable elements = samples

    for axis in 2 .. int (x.dim ()) - 1 do
        elements <- elements * x.size axis

    let count = scalar (float elements)
    let mean = batchSum sync step x / count
    let centred = x - along x mean
    struct (centred, mean, batchSum sync step (centred * centred) / count)

/// The next statistics start as a copy of the current ones, so that several passes in one step add up.
let private remember momentum (next: torch.Tensor) (fresh: torch.Tensor) =
    use _ = torch.no_grad ()

    next.copy_ ((next * scalar momentum).Plus(fresh.detach () * scalar (1.0 - momentum)))
    |> ignore

/// A frozen layer keeps its running statistics and normalises by them in training too, as in Keras. An empty slice of a
/// worker that keeps to itself has no statistics to add.
let private isOfBatch (values: ArgumentValues) frozen (call: LayerCall) =
    not frozen
    && call.Step.Training
    && (values.Flag "sync" || call.Input.size 0 > 0L)

/// The scale and the shift, as far as there are any.
let private weightsOf (values: ArgumentValues) (call: LayerCall) : struct ((Tensor | null) * (Tensor | null)) =
    match values.Flag "scale", values.Flag "shift", call.Weights with
    | true, true, [| scale; shift |] -> struct (scale, shift)
    | true, false, [| scale |] -> struct (scale, null)
    | false, true, [| shift |] -> struct (null, shift)
    | _ -> struct (null, null)

let private inLibtorch (values: ArgumentValues) frozen (call: LayerCall) =
    let x = call.Input
    let mean, variance = call.Current[0], call.Current[1]

    let struct (centred, variance) =
        if isOfBatch values frozen call then
            let struct (centred, batchMean, batchVariance) =
                statistics (values.Flag "sync") call.Step x

            remember (values.Real "momentum") call.Next[0] batchMean
            remember (values.Real "momentum") call.Next[1] batchVariance
            struct (centred, batchVariance)
        else
            struct (x - along x mean, variance)

    let normal = centred / along x (variance.Plus(values.Real "epsilon").sqrt())
    let struct (scale, shift) = weightsOf values call

    let scaled =
        match scale with
        | null -> normal
        | scale -> normal * along x scale

    match shift with
    | null -> scaled
    | shift -> scaled.Plus(along x shift)

/// A module's calls of the kernel for a layer: from step to step they are the same one.
[<Sealed>]
type private OwnCalls(values: ArgumentValues, frozen, rectified) =
    let momentum, epsilon, sync =
        values.Real "momentum", values.Real "epsilon", values.Flag "sync"

    // One reference, so that threads which share a layer see it whole.
    let mutable last: BatchNormCall | null = null

    let make (call: LayerCall) ofBatch =
        let next place : Tensor | null =
            if ofBatch then call.Next[place] else null

        BatchNormCall(
            call.Step,
            call.Current[0],
            call.Current[1],
            NextMean = next 0,
            NextVariance = next 1,
            Momentum = momentum,
            Epsilon = epsilon,
            Synchronised = sync,
            Rectified = rectified
        )

    member _.For(call: LayerCall) =
        let ofBatch = isOfBatch values frozen call

        match last with
        | null ->
            let made = make call ofBatch
            last <- made
            made
        | kept when
            Object.ReferenceEquals(kept.Step, call.Step)
            && Object.ReferenceEquals(kept.Mean, call.Current[0])
            && isNull kept.NextMean <> ofBatch
            ->
            kept
        | _ ->
            let made = make call ofBatch
            last <- made
            made

let private normalise values frozen rectified =
    let newCalls = Func<_>(fun () -> OwnCalls(values, frozen, rectified))

    fun (call: LayerCall) ->
        if OwnKernels.Take call.Input then
            let struct (scale, shift) = weightsOf values call
            BatchNorm.Of(call.Input, scale, shift, (call.Cache.Of newCalls).For call)
        else
            let y = inLibtorch values frozen call
            if rectified then y.relu () else y

let private buffer channels name initial : BufferDefinition =
    { Name = name
      Shape = [ int64 channels ]
      Initial = initial }

let private plan (site: LayerSite) =
    let channels, values = site.Input.Channels, site.Arguments

    Ok
        { LayerPlan.pointwise site (normalise values site.Frozen false) with
            ForwardWith =
                fun activation ->
                    if Activation.isRelu activation then
                        Some(normalise values site.Frozen true)
                    else
                        None
            Weights =
                [ if values.Flag "scale" then Weights.perChannel channels "scale" 1.0
                  if values.Flag "shift" then Weights.perChannel channels "shift" 0.0 ]
            Buffers = [ buffer channels "mean" 0.0; buffer channels "variance" 1.0 ]
            MultiplyAdds = site.Input.Elements
            UsesBatch = not site.Frozen
            Lanes =
                NormalisationSettings(values.Real "momentum", values.Real "epsilon", values.Flag "sync", site.Frozen)
                |> LaneForm.Normalisation
                |> Some }

let definition =
    { Name = "batchnorm"
      Help =
        { LayerHelp.create
              "Brings each channel to mean 0 and variance 1 over the batch, then scales and shifts it."
              "kept"
              "input 28x28x6; batchnorm relu; conv 8 3 bias=no; batchnorm momentum=0.9 epsilon=1e-5" with
            Formula = "y = scale·(x − μ)/√(σ² + ε) + shift, channel by channel"
            Parameters = "2·C"
            Cost = "elements of the output"
            Source = "Ioffe, Szegedy, ICML 2015"
            Notes =
                [ "In training μ and σ² are the mean and the biased variance of the batch, and the running ones become momentum·old + (1 − momentum)·new; else the running ones are used."
                  "Weights: scale (C) from 1, shift (C) from 0. Buffers, kept but not trained: mean (C) from 0, variance (C) from 1."
                  "With sync=no the workers' running statistics differ; validation and checkpoints take those of rank 0."
                  "With accumulate each of the accumulated batches is normalised by itself."
                  "Frozen, it uses and keeps the running statistics in training too." ] }
      Arguments =
        [ Arguments.keyword
              "momentum"
              (RealNumber(0.0, 1.0))
              (RealValue 0.99)
              "How much of the running statistics a step keeps."
          Arguments.keyword "epsilon" (RealNumber(0.0, 1.0)) (RealValue 1e-3) "Added to the variance, under the root."
          Arguments.keyword "scale" YesNo (FlagValue true) "Whether a scale is learned."
          Arguments.keyword "shift" YesNo (FlagValue true) "Whether a shift is learned."
          Arguments.keyword
              "sync"
              YesNo
              (FlagValue true)
              "Statistics of the global batch; `no` takes each worker's own slice."
          Arguments.frozen ]
      Operands = One
      Ranks = [ 0; 1; 2; 3 ]
      Plan = plan }
