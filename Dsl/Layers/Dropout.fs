/// Dropout (Srivastava et al., JMLR 2014), inverted: what stays is scaled by 1/(1 − rate), so that inference does nothing.
module internal CnnCluster.Dsl.Layers.Dropout

open System
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels

/// Keeps an element where its word is at least rate·2³²: a pure function of seed, layer, step, sample and element.
let private fillMask key (step: StepContext) rate (mask: Span<float32>) samples =
    let elements = mask.Length / samples
    let words = Array.zeroCreate<uint32> elements
    let threshold = uint64 (rate * 4294967296.0)
    let kept = float32 (1.0 / (1.0 - rate))

    for sample in 0 .. samples - 1 do
        CounterRandom.Fill(key, CounterRandom.Row(step.Step, step.FirstSample + int64 sample), words.AsSpan())

        for i in 0 .. elements - 1 do
            mask[sample * elements + i] <- if uint64 words[i] >= threshold then kept else 0.0f

let private drop rate (call: LayerCall) =
    let x = call.Input

    if not call.Step.Training || rate = 0.0 || x.size 0 = 0L then
        x
    else
        let key = RandomKey.Of(call.Step.Seed, RandomPurpose.Dropout, call.Path)
        use mask = torch.empty (x.shape, dtype = torch.float32)
        fillMask key call.Step rate (TensorMemory.Span<float32> mask) (int (x.size 0))
        x * mask.``to`` (x.dtype, x.device)

let definition =
    { Name = "dropout"
      Summary = "In training, sets elements to zero at random and scales the rest up."
      Arguments = [ Arguments.required "rate" (RealNumber(0.0, 0.999)) "The share of elements that is dropped." ]
      Ranks = [ 0; 1; 2; 3 ]
      Plan = fun site -> Ok(LayerPlan.pointwise site (drop (site.Arguments.Real "rate"))) }
