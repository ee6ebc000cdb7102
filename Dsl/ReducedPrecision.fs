/// What layers compute with where a run has a type of 16 bits (docs/adr/0012).
module internal CnnCluster.Dsl.ReducedPrecision

open TorchSharp

let cast (dtype: torch.ScalarType) (x: Tensor) =
    if x.dtype = dtype then x else x.``to`` dtype

let full (x: Tensor) = cast torch.float32 x

let private castAll dtype (inputs: Tensor[]) =
    for i in 0 .. inputs.Length - 1 do
        inputs[i] <- cast dtype inputs[i]

let private areAlike (inputs: Tensor[]) =
    let mutable alike = true

    for x in inputs do
        alike <- alike && x.dtype = inputs[0].dtype

    alike

/// Brings a layer's inputs into the type that it is computed in; its weights in theirs.
let operands (reduced: torch.ScalarType) (layer: LayerPlan) (inputs: Tensor[]) weights =
    match layer.Arithmetic with
    | Arithmetic.Products ->
        castAll reduced inputs
        List.map (cast reduced) weights
    | Arithmetic.AsGiven when areAlike inputs -> weights
    | Arithmetic.AsGiven
    | Arithmetic.Full ->
        castAll torch.float32 inputs
        weights

let activated (activation: Activation) =
    let apply = activation.Definition.Apply activation.Values
    if activation.Definition.Exact then apply else full >> apply
