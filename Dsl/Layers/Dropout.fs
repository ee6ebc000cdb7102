/// Dropout (Srivastava et al., JMLR 2014), inverted: what stays is scaled by 1/(1 − rate), so that inference does nothing.
module internal CnnCluster.Dsl.Layers.Dropout

open System
open System.Buffers
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers.Window
open CnnCluster.Kernels
open CnnCluster.Kernels.Layers

/// Keeps an element where its word is at least rate·2³²: a pure function of seed, layer, step, sample and element.
let private fillMask key (step: StepContext) rate (mask: Span<float32>) samples =
    let elements = mask.Length / samples
    let rented = ArrayPool<uint32>.Shared.Rent elements
    let words = rented.AsSpan(0, elements)
    let threshold = uint64 (rate * 4294967296.0)
    let kept = float32 (1.0 / (1.0 - rate))

    for sample in 0 .. samples - 1 do
        CounterRandom.Fill(key, CounterRandom.Row(step.Step, step.FirstSample + int64 sample), words)

        for i in 0 .. elements - 1 do
            mask[sample * elements + i] <- if uint64 words[i] >= threshold then kept else 0.0f

    ArrayPool<uint32>.Shared.Return rented

/// Drops what shares one place in a mask of this shape, which is broadcast over x.
let private drop (maskOf: int64[] -> int64[]) rate =
    let shapes = OfShape maskOf

    fun (call: LayerCall) ->
        let x = call.Input

        if not call.Step.Training || rate = 0.0 || x.size 0 = 0L then
            x
        else
            let key = RandomKey.Of(call.Step.Seed, RandomPurpose.Dropout, call.Path)
            use mask = torch.empty (shapes.For x, dtype = torch.float32)
            fillMask key call.Step rate (TensorMemory.Span<float32> mask) (int (x.size 0))

            if OwnKernels.Take x then x * mask else x * mask.``to`` (x.dtype, x.device)

let private sameElements =
    "What is dropped depends on the seed, the layer's path, the step and the sample's place in the batch alone, not on the number of workers."

let private plan maskOf (site: LayerSite) =
    Ok(
        LayerPlan.pointwise site (drop maskOf (site.Arguments.Real "rate"))
        |> LayerPlan.keeping
    )

let private ofElements (shape: int64[]) = shape

let private ofChannels (shape: int64[]) =
    shape |> Array.mapi (fun axis side -> if axis < 2 then side else 1L)

let definition =
    { Name = "dropout"
      Help =
        { LayerHelp.create
              "In training, sets each element to 0 with the probability rate and scales the others up; else it does nothing."
              "kept"
              "input 120; dropout 0.2; dense 10" with
            Formula = "x / (1 − rate) with probability 1 − rate, else 0"
            Source = "Srivastava et al., JMLR 2014"
            Notes = [ sameElements ] }
      Arguments = [ Arguments.required "rate" (RealNumber(0.0, 0.999)) "The share of elements that is dropped." ]
      Operands = One
      Ranks = [ 0; 1; 2; 3 ]
      Plan = plan ofElements }

let spatial =
    { Name = "spatialdropout"
      Help =
        { LayerHelp.create
              "In training, sets whole channels to 0 with the probability rate and scales the others up; else it does nothing."
              "kept"
              "input 28x28x8; spatialdropout 0.2; conv 16 3" with
            Formula = "x / (1 − rate) with probability 1 − rate, else 0, channel by channel"
            Source = "Tompson et al., CVPR 2015"
            Notes = [ sameElements ] }
      Arguments = [ Arguments.required "rate" (RealNumber(0.0, 0.999)) "The share of channels that is dropped." ]
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = plan ofChannels }
