namespace CnnCluster.Dsl

open TorchSharp
open CnnCluster.Kernels

/// What a loss or a metric compares the output with.
type Target =
    /// The samples' classes, as int64 (N).
    | Labels
    /// The input itself, for autoencoders.
    | InputItself

/// What a loss or a metric is computed from.
type Prediction =
    {
        Output: Tensor
        /// Labels (N), or a tensor of the output's shape.
        Target: Tensor
        /// The output holds probabilities, not logits.
        Probabilities: bool
    }

/// A catalogue entry: gives each sample's value, (N).
type LossDefinition =
    { Name: string
      Summary: string
      Settings: Setting list
      Targets: Target list
      PerSample: SettingValues -> Prediction -> Tensor }

module Loss =
    let private scalar (value: float) = Scalar.op_Implicit value

    /// Keras' ε for the logarithm of a probability.
    let private epsilon = 1e-7

    let private logProbabilities prediction =
        if prediction.Probabilities then
            prediction.Output.clamp(scalar epsilon, scalar (1.0 - epsilon)).log()
        else
            torch.nn.functional.log_softmax (prediction.Output, 1L)

    /// −ln p(label); smoothed, the share s goes to all classes alike (Szegedy et al., CVPR 2016).
    let private crossEntropy (settings: SettingValues) prediction =
        let smoothing = settings["label-smoothing"]
        let logs = logProbabilities prediction
        let picked = logs.gather(1L, prediction.Target.unsqueeze 1L).squeeze 1L

        if smoothing = 0.0 then
            -picked
        else
            -(picked * scalar (1.0 - smoothing) + logs.mean [| 1L |] * scalar smoothing)

    /// The target as a tensor of the output's shape: labels become one-hot vectors.
    let private dense prediction =
        if prediction.Target.dtype = torch.int64 && prediction.Target.dim () = 1L then
            torch.nn.functional.one_hot(prediction.Target, prediction.Output.size 1).``to``(prediction.Output.dtype)
        else
            prediction.Target

    let private meanOfElements prediction (each: Tensor -> Tensor) =
        let difference = prediction.Output - dense prediction
        let elements = Array.fold (*) 1L (Array.skip 1 prediction.Output.shape)
        (each difference).reshape(prediction.Output.size 0, elements).mean [| 1L |]

    let crossEntropyDefinition =
        { Name = "cross-entropy"
          Summary = "−ln of the label's probability; takes logits, or probabilities where the network ends in softmax."
          Settings =
            [ Setting.Real("label-smoothing", 0.0, 0.0, 1.0, "The share of the target that goes to all classes alike.") ]
          Targets = [ Labels ]
          PerSample = crossEntropy }

    /// The losses that scripts can name.
    let all =
        [ crossEntropyDefinition
          { Name = "mse"
            Summary = "The mean of the squared differences; labels count as one-hot vectors."
            Settings = []
            Targets = [ Labels; InputItself ]
            PerSample = fun _ prediction -> meanOfElements prediction _.square() }
          { Name = "mae"
            Summary = "The mean of the absolute differences; labels count as one-hot vectors."
            Settings = []
            Targets = [ Labels; InputItself ]
            PerSample = fun _ prediction -> meanOfElements prediction _.abs() } ]

/// A catalogue entry: gives each sample's value, (N), to be averaged.
type MetricDefinition =
    {
        Name: string
        Summary: string
        Settings: Setting list
        /// Whether more is better.
        Higher: bool
        PerSample: SettingValues -> Prediction -> Tensor
    }

module Metric =
    let private topK (k: int) (prediction: Prediction) =
        let classes = prediction.Output.size 1
        let struct (_, best) = prediction.Output.topk (int (min (int64 k) classes), 1)
        best.eq(prediction.Target.unsqueeze 1L).any(1L).``to``(prediction.Output.dtype)

    let accuracy =
        { Name = "accuracy"
          Summary = "The share of samples whose highest output is the label's."
          Settings = []
          Higher = true
          PerSample =
            fun _ prediction -> prediction.Output.argmax(1L).eq(prediction.Target).``to``(prediction.Output.dtype) }

    /// The metrics that scripts can name.
    let all =
        [ accuracy
          { Name = "top_k_accuracy"
            Summary = "The share of samples whose label is among the k highest outputs."
            Settings = [ Setting.Whole("k", 5.0, 1.0, 1e6, "How many outputs count.") ]
            Higher = true
            PerSample = fun settings -> topK (int settings["k"]) } ]
