/// A layer of one's own, with weights: channels are scaled by what the whole image says of them
/// (Hu, Shen, Sun, Squeeze-and-Excitation Networks, CVPR 2018).
module CnnCluster.Samples.SqueezeExcite

open TorchSharp
open CnnCluster.Dsl

type private Functional = torch.nn.functional

/// s = σ(W₂·relu(W₁·mean(x) + b₁) + b₂), and x scaled by s channel by channel. N may be 0.
let private forward (call: LayerCall) =
    match call.Weights with
    | [| squeeze; squeezeBias; excite; exciteBias |] ->
        let x = call.Input
        let sides = [| for axis in 2L .. x.dim () - 1L -> axis |]
        let hidden = Functional.linear(x.mean sides, squeeze, squeezeBias).relu()
        let scale = Functional.linear(hidden, excite, exciteBias).sigmoid()
        let broadcast = Array.append scale.shape (Array.create sides.Length 1L)
        x * scale.reshape broadcast
    | weights -> invalidOp $"squeezeexcite has four weights, not {weights.Length}."

let private kernel name out into : WeightDefinition =
    { Name = name
      Shape = [ int64 out; int64 into ]
      Initialiser = ScaledNormal(2.0, _.In)
      Fans = { In = float into; Out = float out }
      Regularizer = Regularizer.none
      Trainable = true }

let private plan (site: LayerSite) =
    let channels, ratio = site.Input.Channels, site.Arguments.Whole "ratio"
    let hidden = channels / ratio

    if hidden = 0 then
        LayerFault.at "ratio" $"{channels} channels cannot be squeezed by {ratio}"
    else
        Ok
            { LayerPlan.stateless site.Input Whole forward with
                Weights =
                    [ kernel "squeeze" hidden channels
                      Weights.perChannel hidden "squeeze-bias" 0.0
                      kernel "excite" channels hidden
                      Weights.perChannel channels "excite-bias" 0.0 ]
                MultiplyAdds =
                    site.Input.Elements
                    |> Option.map (fun elements -> elements + 2L * int64 hidden * int64 channels) }

let definition =
    { Name = "squeezeexcite"
      Help =
        { LayerHelp.create
              "Scales each channel by a number from 0 to 1 that the whole image decides."
              "kept"
              "input 8x8x32; conv 32 3 pad=same relu; squeezeexcite 4" with
            Formula = "y = x·σ(W₂·relu(W₁·mean(x) + b₁) + b₂), channel by channel"
            Parameters = "2·C·⌊C/ratio⌋ + C + ⌊C/ratio⌋"
            Cost = "2·C·⌊C/ratio⌋ + elements of the output"
            Source = "Hu, Shen, Sun, CVPR 2018" }
      Arguments =
        [ Arguments.positional "ratio" (WholeNumber 1) (WholeValue 16) "How many times fewer the hidden units are."
          Arguments.frozen ]
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = plan }
