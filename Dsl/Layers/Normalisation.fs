/// Normalisations over parts of one sample: y = scale·(x − μ)/√(σ² + ε) + shift, with the biased variance.
module internal CnnCluster.Dsl.Layers.Normalisation

open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers.Window

let private settings =
    [ Arguments.keyword "epsilon" (RealNumber(0.0, 1.0)) (RealValue 1e-3) "Added to the variance, under the root."
      Arguments.keyword "scale" YesNo (FlagValue true) "Whether a scale is learned."
      Arguments.keyword "shift" YesNo (FlagValue true) "Whether a shift is learned."
      Arguments.frozen ]

let private weights (values: ArgumentValues) shape =
    [ if values.Flag "scale" then Weights.constant shape "scale" 1.0
      if values.Flag "shift" then Weights.constant shape "shift" 0.0 ]

/// Scale and shift among a layer's weights, null where there is none; but a shift needs a scale in libtorch.
let private affine (values: ArgumentValues) (own: Tensor[]) : struct ((Tensor | null) * (Tensor | null)) =
    match values.Flag "scale", values.Flag "shift", own with
    | true, true, [| scale; shift |] -> struct (scale, shift)
    | true, false, [| scale |] -> struct (scale, null)
    | false, true, [| shift |] -> struct (torch.ones_like shift, shift)
    | _ -> struct (null, null)

let private planned (site: LayerSite) shape forward =
    { LayerPlan.pointwise site forward with
        Weights = weights site.Arguments shape
        MultiplyAdds = site.Input.Elements }

let private formula = "y = scale·(x − μ)/√(σ² + ε) + shift"

let private fieldNote = "The receptive field does not count what only μ and σ² see."

// ---- layer normalisation ----

let private overAll (values: ArgumentValues) (shape: int64[]) (call: LayerCall) =
    let struct (scale, shift) = affine values call.Weights
    torch.nn.functional.layer_norm (call.Input, shape, scale, shift, values.Real "epsilon")

let private overChannels (values: ArgumentValues) (channels: int) =
    let pixelsOf, shapes, last = pixelsOf (), shapes (), [| int64 channels |]

    fun (call: LayerCall) ->
        let x = call.Input
        let struct (scale, shift) = affine values call.Weights
        let channelsLast = (pixelsOf x).transpose(1L, 2L)

        torch.nn.functional
            .layer_norm(channelsLast, last, scale, shift, values.Real "epsilon")
            .transpose(1L, 2L)
            .contiguous()
            .reshape(shapes.For x)

let private planLayer (site: LayerSite) =
    let input, values = site.Input, site.Arguments

    if values.Word "over" = "channels" then
        Ok(planned site [ int64 input.Channels ] (overChannels values input.Channels))
    elif input.Elements.IsNone then
        Result.Error
            { Argument = Some "over"
              Message =
                $"the input, {Shape.text input}, has open sides, and over=all has a scale and a shift for each element"
              Expected = Some "over=channels, which has them for each channel" }
    else
        let shape = int64 input.Channels :: [ for side in input.Sides -> int64 side.Value ]

        Ok(planned site shape (overAll values (Array.ofList shape)))

let layer =
    { Name = "layernorm"
      Help =
        { LayerHelp.create
              "Brings the channels of each pixel, or all elements of a sample, to mean 0 and variance 1, then scales and shifts them."
              "kept"
              "input 14x14x64; layernorm; conv 256 1 gelu; layernorm over=all epsilon=1e-6" with
            Formula = formula
            Parameters = "2·C; with over=all, 2·C·∏n"
            Cost = "elements of the output"
            Source = "Ba, Kiros, Hinton, Layer Normalization, 2016"
            Notes =
                [ "μ and σ² are the mean and the biased variance of the channels at each pixel, as Keras takes them on its last axis and ConvNeXt takes them; with over=all, of the whole sample."
                  "Weights: scale from 1 and shift from 0, (C) or with over=all (C, sides…)."
                  "PyTorch's epsilon is 1e-5."
                  fieldNote ] }
      Arguments =
        Arguments.positional
            "over"
            (OneOf [ "channels"; "all" ])
            (WordValue "channels")
            "What is normalised together: the channels of each pixel, or all elements of a sample."
        :: settings
      Operands = One
      Ranks = [ 0; 1; 2; 3 ]
      Plan = planLayer }

// ---- group normalisation ----

/// Three dimensions, in order: for images libtorch would choose by how they lie in memory.
let private inGroups (values: ArgumentValues) (groups: int) =
    let pixelsOf, shapes = pixelsOf (), shapes ()

    fun (call: LayerCall) ->
        let x = call.Input
        let struct (scale, shift) = affine values call.Weights

        torch.nn.functional
            .group_norm((pixelsOf x).contiguous(), int64 groups, scale, shift, values.Real "epsilon")
            .reshape(shapes.For x)

let private planGroups groups (site: LayerSite) =
    let channels: int = site.Input.Channels

    if channels % groups <> 0 then
        Result.Error
            { Argument = Some "groups"
              Message = $"{channels} channels cannot be dealt out to {groups} groups"
              Expected = Some $"a divisor of {channels}" }
    else
        Ok(planned site [ int64 channels ] (inGroups site.Arguments groups))

let private weightsNote = "Weights: scale (C) from 1, shift (C) from 0."

let group =
    { Name = "groupnorm"
      Help =
        { LayerHelp.create
              "Brings groups of channels of each sample to mean 0 and variance 1, then scales and shifts each channel."
              "kept"
              "input 28x28x64; groupnorm relu; conv 16 3; groupnorm 4 epsilon=1e-5" with
            Formula = formula
            Parameters = "2·C"
            Cost = "elements of the output"
            Source = "Wu, He, Group Normalization, ECCV 2018"
            Notes =
                [ "μ and σ² are the mean and the biased variance of a sample's C/groups channels, over all their pixels."
                  weightsNote
                  "groups and epsilon are Keras' defaults; PyTorch's epsilon is 1e-5."
                  fieldNote ] }
      Arguments =
        Arguments.positional "groups" (WholeNumber 1) (WholeValue 32) "How many groups the channels are dealt out to."
        :: settings
      Operands = One
      Ranks = [ 0; 1; 2; 3 ]
      Plan = fun site -> planGroups (site.Arguments.Whole "groups") site }

let instance =
    { Name = "instancenorm"
      Help =
        { LayerHelp.create
              "Brings each channel of each sample to mean 0 and variance 1, then scales and shifts it."
              "kept"
              "input 28x28x3; conv 16 3; instancenorm relu; instancenorm scale=no shift=no" with
            Formula = formula
            Parameters = "2·C"
            Cost = "elements of the output"
            Source = "Ulyanov, Vedaldi, Lempitsky, Instance Normalization, 2016"
            Notes =
                [ "The same as groupnorm with a group for each channel."
                  weightsNote
                  "PyTorch's InstanceNorm has no scale and shift unless affine is true, and an epsilon of 1e-5."
                  fieldNote ] }
      Arguments = settings
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = fun site -> planGroups site.Input.Channels site }

let all = [ layer; group; instance ]
