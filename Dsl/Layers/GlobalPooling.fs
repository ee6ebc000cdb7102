/// Pooling of a whole image to one number for each channel (Lin, Chen, Yan, Network in Network, ICLR 2014).
module internal CnnCluster.Dsl.Layers.GlobalPooling

open TorchSharp
open CnnCluster.Dsl

let private pixelAxis = [| 2L |]

/// The mean of all pixels, (N, C).
let mean () =
    let pixelsOf, pairs =
        Window.pixelsOf (), Window.OfShape(fun shape -> [| shape[0]; 2L; shape[2] |])

    fun (x: torch.Tensor) ->
        let pixels = pixelsOf x

        if x.size 1 = 1L then
            // Of one sample with one channel libtorch's threads would share the sum, and give it other bits than beside
            // others: a second channel forbids that (docs/adr/0005).
            pixels.expand(pairs.For pixels).mean(pixelAxis).narrow(1, 0, 1)
        else
            pixels.mean pixelAxis

let private greatest () =
    let pixelsOf = Window.pixelsOf ()
    fun (x: torch.Tensor) -> (pixelsOf x).amax pixelAxis

let private plan effect (operation: unit -> torch.Tensor -> torch.Tensor) (site: LayerSite) =
    let input = site.Input

    let output =
        if site.Arguments.Flag "keep" then
            { input with
                Sides = List.replicate input.Rank (Some 1) }
        else
            Shape.vector input.Channels

    let operation = operation ()

    let given =
        Window.OfShape(fun shape -> Array.append shape (Array.create output.Rank 1L))

    let forward (call: LayerCall) =
        let pooled = operation call.Input
        pooled.reshape (given.For pooled)

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
