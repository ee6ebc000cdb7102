/// Gaussian noise in training. Its numbers are a pure function of seed, layer, step, sample and element.
module internal CnnCluster.Dsl.Layers.Noise

open System
open System.Buffers
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers.Window
open CnnCluster.Kernels
open CnnCluster.Kernels.Layers

/// Standard normal numbers from pairs of words, by the Box–Muller transform.
let private normals (words: Span<uint32>) (destination: Span<float32>) =
    for i in 0..2 .. destination.Length - 1 do
        // In (0, 1]: a logarithm of 0 would be infinite.
        let radius = sqrt (-2.0 * log ((float words[i] + 1.0) / 4294967296.0))
        let angle = 2.0 * Math.PI * float words[i + 1] / 4294967296.0
        destination[i] <- float32 (radius * cos angle)

        if i + 1 < destination.Length then
            destination[i + 1] <- float32 (radius * sin angle)

/// Standard normal numbers times a deviation, in a tensor like x, whose shape is given.
let private scaled shape deviation (call: LayerCall) =
    let x, step = call.Input, call.Step
    let samples = int (x.size 0)
    let elements = int (x.numel () / x.size 0)
    let key = RandomKey.Of(step.Seed, RandomPurpose.Noise, call.Path)
    let rented = ArrayPool<uint32>.Shared.Rent(elements + elements % 2)
    let words = rented.AsSpan(0, elements + elements % 2)
    use noise = torch.empty ((shape: int64[]), dtype = torch.float32)

    for sample in 0 .. samples - 1 do
        CounterRandom.Fill(key, CounterRandom.Row(step.Step, step.FirstSample + int64 sample), words)
        normals words ((TensorMemory.Span<float32> noise).Slice(sample * elements, elements))

    ArrayPool<uint32>.Shared.Return rented

    let deviation = Scalars.Of deviation

    if OwnKernels.Take x then
        noise * deviation
    else
        noise.``to`` (x.dtype, x.device) * deviation

let private inTraining deviation (apply: torch.Tensor -> torch.Tensor -> torch.Tensor) =
    let shapes = shapes ()

    fun (call: LayerCall) ->
        let x = call.Input

        if not call.Step.Training || deviation = 0.0 || x.size 0 = 0L then
            x
        else
            apply x (scaled (shapes.For x) deviation call)

let private sameNumbers =
    "The numbers depend on the seed, the layer's path, the step and the sample's place in the batch alone, not on the number of workers."

let private definition name summary formula source notes example argument deviationOf apply =
    { Name = name
      Help =
        { LayerHelp.create summary "kept" example with
            Formula = formula
            Source = source
            Notes = notes @ [ sameNumbers ] }
      Arguments = [ argument ]
      Operands = One
      Ranks = [ 0; 1; 2; 3 ]
      Plan =
        fun site ->
            Ok(
                LayerPlan.pointwise site (inTraining (deviationOf site.Arguments) apply)
                |> LayerPlan.keeping
            ) }

let private addTo (x: torch.Tensor) (noise: torch.Tensor) = x.Plus noise

let additive =
    definition
        "gaussiannoise"
        "In training, adds a normal number to each element; else it does nothing."
        "y = x + deviation·z, z of mean 0 and variance 1"
        "Keras' GaussianNoise"
        []
        "input 28x28x1; gaussiannoise 0.1; conv 8 3"
        (Arguments.required "deviation" (RealNumber(0.0, 1e6)) "The deviation of the noise.")
        _.Real("deviation")
        addTo

let private multiplyBy (x: torch.Tensor) (noise: torch.Tensor) = x.Plus(x * noise)

let multiplicative =
    definition
        "gaussiandropout"
        "In training, multiplies each element by a normal number of mean 1; else it does nothing."
        "y = x·(1 + √(rate/(1 − rate))·z), z of mean 0 and variance 1"
        "Srivastava et al., JMLR 2014, section 10"
        [ "The products have the mean and the variance that dropout with this rate gives them." ]
        "input 120; gaussiandropout 0.2; dense 10"
        (Arguments.required "rate" (RealNumber(0.0, 0.999)) "The rate of the dropout that it stands for.")
        (fun values ->
            let rate = values.Real "rate"
            sqrt (rate / (1.0 - rate)))
        multiplyBy

let all = [ additive; multiplicative ]
