namespace CnnCluster.Dsl

open TorchSharp
open CnnCluster.Kernels

type Tensor = torch.Tensor

/// How a window's edges are treated.
type Padding =
    /// Output ⌈in/stride⌉; the odd pixel goes to the end, as in TensorFlow.
    | Same
    /// None.
    | Valid
    /// Begin and end of each axis; one entry means every axis.
    | Sides of (int * int) list

/// What an argument takes.
type ArgumentKind =
    | WholeNumber of least: int
    | RealNumber of least: float * greatest: float
    | YesNo
    /// One number, or one for each axis.
    | SizeOf of least: int
    | PaddingOf
    | InitialiserOf
    | RegularizerOf

/// A checked value.
type Value =
    | WholeValue of int
    | RealValue of float
    | FlagValue of bool
    | SizeValue of int list
    | PaddingValue of Padding
    | InitialiserValue of Initialiser
    | RegularizerValue of Regularizer

type ArgumentDefault =
    | Required
    | Otherwise of Value
    /// The value of another argument.
    | As of argument: string

/// One argument of a layer, as scripts name it.
type ArgumentDefinition =
    {
        Name: string
        Kind: ArgumentKind
        Default: ArgumentDefault
        /// Whether it may stand without its name, in the catalogue's order.
        Positional: bool
        Doc: string
    }

/// The checked arguments of one use of a layer: every argument of the definition has a value.
type ArgumentValues(values: Map<string, Value>) =
    let wrong name kind =
        invalidOp $"The argument '{name}' is no {kind}: the layer's definition and its use of it disagree."

    member _.Whole name =
        match values[name] with
        | WholeValue value -> value
        | _ -> wrong name "whole number"

    member _.Real name =
        match values[name] with
        | RealValue value -> value
        | WholeValue value -> float value
        | _ -> wrong name "number"

    member _.Flag name =
        match values[name] with
        | FlagValue value -> value
        | _ -> wrong name "flag"

    /// One entry for each of `rank` axes.
    member _.Size(name, rank) =
        match values[name] with
        | SizeValue [ one ] -> List.replicate rank one
        | SizeValue several -> several
        | _ -> wrong name "size"

    member _.Padding name =
        match values[name] with
        | PaddingValue value -> value
        | _ -> wrong name "padding"

    member _.Initialiser name =
        match values[name] with
        | InitialiserValue value -> value
        | _ -> wrong name "initialiser"

    member _.Regularizer name =
        match values[name] with
        | RegularizerValue value -> value
        | _ -> wrong name "regularizer"

/// A trainable tensor of a layer. Its shape is PyTorch's, such as (out, in, kH, kW).
type WeightDefinition =
    { Name: string
      Shape: int64 list
      Initialiser: Initialiser
      Fans: Fans
      Regularizer: Regularizer }

/// A tensor that a layer changes, but not by its gradient, such as a running mean.
type BufferDefinition =
    { Name: string
      Shape: int64 list
      Initial: float }

/// One forward pass of a layer. Inputs are (N, C, sides…); N may be 0.
type LayerCall =
    {
        Inputs: Tensor list
        Weights: Tensor list
        /// The buffers as the last committed step left them.
        Current: Tensor list
        /// What this step makes of them; written in training only.
        Next: Tensor list
        Step: StepContext
        Path: string
    }

    member call.Input = List.head call.Inputs

/// A layer at its place: what it gives, owns and costs, and how it is computed.
type LayerPlan =
    {
        Output: Shape
        Field: ReceptiveField
        Weights: WeightDefinition list
        Buffers: BufferDefinition list
        /// For one sample; `None` while a side is open.
        MultiplyAdds: int64 option
        Forward: LayerCall -> Tensor
    }

/// Where a layer is used.
type LayerSite =
    { Input: Shape
      Field: ReceptiveField
      Arguments: ArgumentValues }

/// Why a layer does not fit its place.
type LayerFault =
    {
        /// The argument to blame; `None` blames the layer as a whole.
        Argument: string option
        Message: string
        Expected: string option
    }

/// A catalogue entry: all there is to know of a layer.
type LayerDefinition =
    {
        Name: string
        Summary: string
        Arguments: ArgumentDefinition list
        /// How many sides its input may have.
        Ranks: int list
        Plan: LayerSite -> Result<LayerPlan, LayerFault>
    }

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
    /// A layer without weights that keeps its input's shape.
    let pointwise (site: LayerSite) forward =
        { Output = site.Input
          Field = site.Field
          Weights = []
          Buffers = []
          MultiplyAdds = Some 0L
          Forward = forward }

module internal Arguments =
    let required name kind doc =
        { Name = name
          Kind = kind
          Default = Required
          Positional = true
          Doc = doc }

    let positional name kind value doc =
        { required name kind doc with
            Default = value }

    let keyword name kind value doc =
        { positional name kind (Otherwise value) doc with
            Positional = false }

    let private initialiser name =
        Initialiser.all |> List.find (fun i -> i.Name = name) |> _.Create([])

    /// What every layer with a kernel and a bias takes.
    let weights =
        [ keyword "bias" YesNo (FlagValue true) "Whether a bias is added, one for each output channel."
          keyword
              "kernel-init"
              InitialiserOf
              (InitialiserValue(initialiser "glorot"))
              "Where the kernel's first values come from."
          keyword
              "bias-init"
              InitialiserOf
              (InitialiserValue(initialiser "zeros"))
              "Where the bias' first values come from."
          keyword "kernel-reg" RegularizerOf (RegularizerValue Regularizer.none) "The kernel's regularization loss."
          keyword "bias-reg" RegularizerOf (RegularizerValue Regularizer.none) "The bias' regularization loss." ]

    /// The kernel, and the bias if there is one.
    let kernelAndBias (values: ArgumentValues) shape fans =
        let kernel =
            { Name = "kernel"
              Shape = shape
              Initialiser = values.Initialiser "kernel-init"
              Fans = fans
              Regularizer = values.Regularizer "kernel-reg" }

        let bias =
            { Name = "bias"
              Shape = [ List.head shape ]
              Initialiser = values.Initialiser "bias-init"
              Fans = fans
              Regularizer = values.Regularizer "bias-reg" }

        if values.Flag "bias" then [ kernel; bias ] else [ kernel ]
