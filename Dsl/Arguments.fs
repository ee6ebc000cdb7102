namespace CnnCluster.Dsl

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
    /// One of these words.
    | OneOf of string list
    /// One number, or one for each axis.
    | SizeOf of least: int
    | PaddingOf
    /// Amounts at the edges: as a padding, but neither same nor valid.
    | EdgesOf
    /// Sides, then channels, as in 7x7x16.
    | ShapeOf
    /// A matrix, or the name of a fixed kernel.
    | KernelOf
    | InitialiserOf
    | RegularizerOf

/// A checked value.
type Value =
    | WholeValue of int
    | RealValue of float
    | FlagValue of bool
    | WordValue of string
    | SizeValue of int list
    | PaddingValue of Padding
    | ShapeValue of Shape
    /// Rows from above.
    | KernelValue of float list list
    | InitialiserValue of Initialiser
    | RegularizerValue of Regularizer

type ArgumentDefault =
    | Required
    /// Needed, unless another argument is there.
    | RequiredWithout of argument: string
    /// Has no value unless one is given.
    | Optional
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

/// The checked arguments of one use of a layer: every argument of the definition has a value, but for optional ones.
/// `given` are those that the script says itself.
type ArgumentValues(values: Map<string, Value>, given: Set<string>) =
    let wrong name kind =
        invalidOp $"The argument '{name}' is no {kind}: the layer's definition and its use of it disagree."

    member _.Has name = values.ContainsKey name

    /// The value whatever it is; `None` where an optional argument has none.
    member _.TryFind name = values.TryFind name

    /// Whether the script, or its defaults, gave the value.
    member _.IsGiven name = given.Contains name

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

    member _.Word name =
        match values[name] with
        | WordValue value -> value
        | _ -> wrong name "word"

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

    member _.Shape name =
        match values[name] with
        | ShapeValue value -> value
        | _ -> wrong name "shape"

    /// The rows of a fixed kernel, where one is given.
    member _.Kernel name =
        match values.TryFind name with
        | None -> None
        | Some(KernelValue rows) -> Some rows
        | Some _ -> wrong name "kernel"

    member _.Initialiser name =
        match values[name] with
        | InitialiserValue value -> value
        | _ -> wrong name "initialiser"

    member _.Regularizer name =
        match values[name] with
        | RegularizerValue value -> value
        | _ -> wrong name "regularizer"

/// How the arguments of layers are defined.
module Arguments =
    let required name kind doc =
        { Name = name
          Kind = kind
          Default = Required
          Positional = true
          Doc = doc }

    let positional name kind value doc =
        { required name kind doc with
            Default = Otherwise value }

    let keyword name kind value doc =
        { positional name kind value doc with
            Positional = false }

    let flag name doc =
        keyword name YesNo (FlagValue false) doc

    let private initialiser name =
        Initialiser.all |> List.find (fun i -> i.Name = name) |> _.Create([])

    let initialised name standard doc =
        keyword name InitialiserOf (InitialiserValue(initialiser standard)) doc

    let regularized name doc =
        keyword name RegularizerOf (RegularizerValue Regularizer.none) doc

    /// Every layer with weights has it.
    let frozen =
        flag "frozen" "Keeps the weights as they are: they are saved and loaded, but not trained."

    /// What every layer with a kernel and a bias takes.
    let weights =
        [ keyword "bias" YesNo (FlagValue true) "Whether a bias is added, one for each output channel."
          initialised "kernel-init" "glorot" "Where the kernel's first values come from."
          initialised "bias-init" "zeros" "Where the bias' first values come from."
          regularized "kernel-reg" "The kernel's regularization loss."
          regularized "bias-reg" "The bias' regularization loss."
          frozen ]
