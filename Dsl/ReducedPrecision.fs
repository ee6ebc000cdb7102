/// What layers compute with where a run has a type of 16 bits (docs/adr/0012).
module internal CnnCluster.Dsl.ReducedPrecision

open TorchSharp

let cast (dtype: torch.ScalarType) (x: Tensor) =
    if x.dtype = dtype then x else x.``to`` dtype

let full (x: Tensor) = cast torch.float32 x

let private castInto dtype (from: Tensor[]) (into: Tensor[]) =
    for i in 0 .. from.Length - 1 do
        into[i] <- cast dtype from[i]

let private areAlike (inputs: Tensor[]) =
    let mutable alike = true

    for x in inputs do
        alike <- alike && x.dtype = inputs[0].dtype

    alike

/// Brings a layer's inputs, in their places, into the type that it is computed in, and its weights into theirs.
let operands (reduced: torch.ScalarType) (layer: LayerPlan) (inputs: Tensor[]) (weights: Tensor[]) (given: Tensor[]) =
    match layer.Arithmetic with
    | Arithmetic.Products ->
        castInto reduced inputs inputs
        castInto reduced weights given
    | Arithmetic.AsGiven when areAlike inputs -> weights.CopyTo(given, 0)
    | Arithmetic.AsGiven
    | Arithmetic.Full ->
        castInto torch.float32 inputs inputs
        weights.CopyTo(given, 0)

let activated (activation: Activation) =
    let apply = activation.Definition.Apply activation.Values
    if activation.Definition.Exact then apply else full >> apply
