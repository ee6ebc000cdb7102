namespace CnnCluster.Dsl

open System
open System.Threading
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Layers.Lanes

type Tensor = torch.Tensor

/// A tensor that a layer owns and computes with. Its shape is PyTorch's, such as (out, in, kH, kW).
type WeightDefinition =
    {
        Name: string
        Shape: int64 list
        Initialiser: Initialiser
        Fans: Fans
        Regularizer: Regularizer
        /// False for fixed kernels and frozen layers.
        Trainable: bool
    }

    member weight.Count = List.fold (*) 1L weight.Shape

/// A tensor that a layer changes, but not by its gradient, such as a running mean.
type BufferDefinition =
    { Name: string
      Shape: int64 list
      Initial: float }

/// What a layer makes in one of its passes and uses again in later ones. A module has one for each of its layers, and disposes
/// of it: a plan is shared by modules on several threads.
[<Sealed>]
type LayerCache() =
    let mutable kept: obj | null = null

    /// What `make` gave at the first time; it is disposed of with the module, if it is disposable. One function for all passes
    /// makes nothing anew itself.
    member _.Of<'T when 'T: not struct and 'T: not null>(make: Func<'T>) : 'T =
        match kept with
        | null ->
            let made = make.Invoke()

            match Interlocked.CompareExchange(&kept, box made, null) with
            | null -> made
            | first -> unbox first
        | known -> unbox known

    interface IDisposable with
        member _.Dispose() =
            match kept with
            | :? IDisposable as owned -> owned.Dispose()
            | _ -> ()

/// One forward pass of a layer. Inputs are (N, C, sides…); N may be 0. The arrays are the module's, which uses them again
/// with the next pass: a layer reads them, and keeps neither.
[<Struct>]
type LayerCall =
    {
        Inputs: Tensor[]
        Weights: Tensor[]
        /// The buffers as the last committed step left them.
        Current: Tensor list
        /// What this step makes of them; written in training only.
        Next: Tensor list
        Step: StepContext
        /// What the layer keeps from pass to pass.
        Cache: LayerCache
        Path: string
    }

    member call.Input = call.Inputs[0]

/// What a layer makes of its input's elements; in inference, where dropout and noise do nothing.
[<RequireQualifiedAccess>]
type Effect =
    /// Other numbers.
    | Computes
    /// Each element of the output is one of the inputs', or one that only fills an edge.
    | Keeps
    /// Each element of the output is a mean of some of one channel, or of its operands'.
    | Averages

/// What a layer is to the kernels that compute several layers as one, 16 samples at a time (docs/adr/0009).
[<RequireQualifiedAccess>]
type LaneForm =
    /// A kernel (out, in, kH, kW), and a bias if there is one.
    | Convolution of ConvolutionGeometry
    /// The greatest of each 2×2 pixels, windows side by side.
    | MaxPool
    | Flatten
    /// A kernel (units, features), and a bias if there is one.
    | Dense
    /// A scale and a shift, as far as there are any, and the running mean and variance.
    | Normalisation of NormalisationSettings

/// What a layer is computed in where a run has a type of 16 bits (docs/adr/0012).
[<RequireQualifiedAccess>]
type Arithmetic =
    /// 16 bits, weights too: sums of products, which are added up in float32.
    | Products
    /// The type of its inputs: it picks or moves elements.
    | AsGiven
    /// float32.
    | Full

/// A layer at its place: what it gives, owns and costs, and how it is computed.
type LayerPlan =
    {
        Output: Shape
        Field: ReceptiveField
        Weights: WeightDefinition list
        Buffers: BufferDefinition list
        /// For one sample; `None` while a side is open.
        MultiplyAdds: int64 option
        Effect: Effect
        /// Whether a sample's output depends in training on the others of its batch.
        UsesBatch: bool
        Arithmetic: Arithmetic
        Forward: LayerCall -> Tensor
        /// The same in lanes, if there are kernels for it.
        Lanes: LaneForm option
        /// The layer and the activation behind it in one, where it can do both faster than one after the other.
        ForwardWith: Activation -> (LayerCall -> Tensor) option
    }

/// A value that comes into a layer.
type LayerInput = { Shape: Shape; Field: ReceptiveField }

/// Where a layer is used.
type LayerSite =
    {
        /// One, or several for a merge.
        Inputs: LayerInput list
        Arguments: ArgumentValues
        /// Whether its weights are kept as they are.
        Frozen: bool
    }

    member site.Input = site.Inputs.Head.Shape
    member site.Field = site.Inputs.Head.Field

/// Why a layer does not fit its place.
type LayerFault =
    {
        /// The argument to blame; `None` blames the layer as a whole.
        Argument: string option
        Message: string
        Expected: string option
    }

/// How many values a layer works on.
type Operands =
    | One
    /// At least two: names, `here` and branches.
    | Several

/// What `cnn help` and the reference say of a layer besides its arguments. In rules n is a side of the input, k of the
/// window, s the stride, d the dilation, a and b the padding in front and behind, C the input's channels.
type LayerHelp =
    {
        Summary: string
        /// What it computes; empty if the summary says it.
        Formula: string
        /// What becomes of the shape.
        Shape: string
        /// How many numbers it owns; empty if none.
        Parameters: string
        /// Multiply-adds for one sample; empty if they count as 0.
        Cost: string
        /// Paper, or whose convention it is; empty if there is none.
        Source: string
        /// Further sentences, each a point.
        Notes: string list
        /// The statements of a network that uses it.
        Example: string
    }

/// A catalogue entry: all there is to know of a layer.
type LayerDefinition =
    {
        Name: string
        Help: LayerHelp
        Arguments: ArgumentDefinition list
        Operands: Operands
        /// How many sides its inputs may have.
        Ranks: int list
        Plan: LayerSite -> Result<LayerPlan, LayerFault>
    }

module LayerHelp =
    /// Help without formula, cost or source, which `with` adds.
    let create summary shape example =
        { Summary = summary
          Formula = ""
          Shape = shape
          Parameters = ""
          Cost = ""
          Source = ""
          Notes = []
          Example = example }

module LayerFault =
    let at argument message =
        Result.Error
            { Argument = Some argument
              Message = message
              Expected = None }

    let whole message =
        Result.Error
            { Argument = None
              Message = message
              Expected = None }

module LayerPlan =
    /// A layer without weights.
    let stateless output field forward =
        { Output = output
          Field = field
          Weights = []
          Buffers = []
          MultiplyAdds = Some 0L
          Effect = Effect.Computes
          UsesBatch = false
          Arithmetic = Arithmetic.Full
          Forward = forward
          ForwardWith = fun _ -> None
          Lanes = None }

    let keeping plan =
        { plan with
            Effect = Effect.Keeps
            Arithmetic = Arithmetic.AsGiven }

    /// A layer of sums of products.
    let multiplying plan =
        { plan with
            Arithmetic = Arithmetic.Products }

    let averaging plan = { plan with Effect = Effect.Averages }

    /// A ReLU behind it changes the layer's output in place: one that no gradient needs, nor anything else.
    let rectifiedInPlace (plan: LayerPlan) =
        { plan with
            ForwardWith =
                fun activation ->
                    if Activation.isRelu activation then
                        Some(fun call -> (plan.Forward call).relu_())
                    else
                        None }

    /// A layer without weights that keeps its input's shape.
    let pointwise (site: LayerSite) forward = stateless site.Input site.Field forward

module Weights =
    let private weight name shape initialiser fans regularizer =
        { Name = name
          Shape = shape
          Initialiser = initialiser
          Fans = fans
          Regularizer = regularizer
          Trainable = true }

    /// One value throughout at first, as normalisations have them.
    let constant shape name (initial: float) =
        weight name shape (Constant initial) { In = 1.0; Out = 1.0 } Regularizer.none

    /// One number for each channel, from a constant.
    let perChannel channels = constant [ int64 channels ]

    /// A weight whose initialiser and regularizer are the arguments NAME-init and NAME-reg.
    let named (values: ArgumentValues) name shape fans =
        weight name shape (values.Initialiser $"{name}-init") fans (values.Regularizer $"{name}-reg")

    /// A kernel with the arguments of `Arguments.weights`.
    let kernel values shape fans = named values "kernel" shape fans

    /// The biases with the arguments of `Arguments.weights`, if there are any.
    let bias (values: ArgumentValues) (channels: int) fans =
        [ if values.Flag "bias" then named values "bias" [ int64 channels ] fans ]

    /// A kernel whose numbers the script says, for each pair of channels: it is never trained.
    let fixedKernel shape (numbers: float[]) =
        { weight "kernel" shape (Given numbers) { In = 1.0; Out = 1.0 } Regularizer.none with
            Trainable = false }

    /// The bias among a layer's weights behind its kernel, null if there is none, as libtorch wants it.
    let biasOf (weights: Tensor[]) : Tensor | null =
        match weights with
        | [| _; bias |] -> bias
        | _ -> null
