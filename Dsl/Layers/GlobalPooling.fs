/// Pooling of a whole image to one number for each channel (Lin, Chen, Yan, Network in Network, ICLR 2014).
module internal CnnCluster.Dsl.Layers.GlobalPooling

open TorchSharp
open CnnCluster.Dsl

let private pixelsOf (x: torch.Tensor) =
    x.reshape (x.size 0, x.size 1, Array.fold (*) 1L (Array.skip 2 x.shape))

/// The mean of all pixels, (N, C).
let mean (x: torch.Tensor) =
    let pixels = pixelsOf x

    if x.size 1 = 1L then
        // Of one sample with one channel libtorch's threads would share the sum, and give it other bits than beside
        // others: a second channel forbids that (docs/adr/0005).
        pixels.expand(x.size 0, 2L, pixels.size 2).mean([| 2L |]).narrow(1, 0, 1)
    else
        pixels.mean [| 2L |]

let private greatest (x: torch.Tensor) = (pixelsOf x).amax [| 2L |]

let private plan effect (operation: torch.Tensor -> torch.Tensor) (site: LayerSite) =
    let input = site.Input

    let output =
        if site.Arguments.Flag "keep" then
            { input with
                Sides = List.replicate input.Rank (Some 1) }
        else
            Shape.vector input.Channels

    let forward (call: LayerCall) =
        let pooled = operation call.Input

        pooled.reshape (Array.append pooled.shape (Array.create output.Rank 1L))

    Ok(LayerPlan.stateless output Whole forward |> effect)

let private definition name summary formula notes effect operation =
    { Name = name
      Help =
        { LayerHelp.create
              summary
              "a vector of C features; with keep, C channels whose sides are 1. Open sides may stay open"
              $"input 7x7x512; {name}; dense 10" with
            Formula = formula
            Source = "Lin, Chen, Yan, Network in Network, ICLR 2014"
            Notes = notes }
      Arguments = [ Arguments.flag "keep" "Whether sides of 1 are kept, for layers that take images." ]
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = plan effect operation }

let average =
    definition
        "globalavgpool"
        "The mean of all pixels, channel by channel."
        "y[c] = Σᵢ x[c, i] / ∏n"
        []
        LayerPlan.averaging
        mean

let maximum =
    definition
        "globalmaxpool"
        "The greatest of all pixels, channel by channel."
        "y[c] = maxᵢ x[c, i]"
        [ "Several greatest pixels share the gradient equally, as in Keras." ]
        LayerPlan.keeping
        greatest
