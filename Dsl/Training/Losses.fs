namespace CnnCluster.Dsl

open TorchSharp
open CnnCluster.Kernels

/// What a loss or a metric is computed from.
[<Struct>]
type Prediction =
    {
        Output: Tensor
        /// Classes (N), as int64, or a tensor of the output's shape.
        Target: Tensor
        /// What the output's elements are: logits or probabilities.
        Kind: ValueKind
    }

module internal Prediction =
    let scalar (value: float) = Scalars.Of value

    /// The kinds of elements that are probabilities, rather than logits of a sigmoid.
    let probabilities = [ ValueKind.Probabilities; ValueKind.Chances ]

    let areProbabilities prediction =
        List.contains prediction.Kind probabilities

    /// The target as a tensor of the output's shape: classes become one-hot vectors or, for a single element, 0 and 1.
    let targetElements prediction =
        let output, target = prediction.Output, prediction.Target

        if target.dtype <> torch.int64 then target
        elif output.size 1 = 1L then target.``to``(output.dtype).unsqueeze 1L
        else torch.nn.functional.one_hot(target, output.size 1).``to`` output.dtype

    /// The axis of a sample's elements, or its classes.
    let elements = [| 1L |]

    /// Each sample's mean over its elements, (N, …) to (N).
    let meanOfElements (each: Tensor) = each.flatten(1L).mean elements

    /// output − target.
    let differences prediction =
        prediction.Output - targetElements prediction

    /// The mean of (output − target)².
    let meanSquaredError prediction =
        meanOfElements ((differences prediction).Squared())

    /// The mean of |output − target|.
    let meanAbsoluteError prediction =
        meanOfElements ((differences prediction).abs())

/// A catalogue entry: gives each sample's value, (N).
type LossDefinition =
    {
        Name: string
        Summary: string
        /// In it x is an element of the output, z the target's, and ⟨…⟩ the mean over the sample's elements.
        Formula: string
        /// The paper; empty if there is none.
        Source: string
        Settings: Setting list
        Compares: Comparison
        /// What is taken for probabilities, where the loss is meant for logits.
        Probabilities: ValueKind list
        /// What is taken for logits and is none.
        Misread: ValueKind list
        /// The metric that goes with the loss where the script names none.
        Metric: string option
        PerSample: SettingValues -> Prediction -> Tensor
    }

module Loss =
    open Prediction

    /// Keras' ε for the logarithm of a probability.
    let private epsilon = 1e-7

    let private cutLog (probabilities: Tensor) =
        probabilities.clamp(scalar epsilon, scalar (1.0 - epsilon)).log()

    let private smoothing =
        Setting.Real("label-smoothing", 0.0, 0.0, 1.0, "s, the share of the target that goes to all classes alike.")

    /// −ln p(class); smoothed, the share s goes to all classes alike (Szegedy et al., CVPR 2016).
    let private crossEntropy (settings: SettingValues) prediction =
        let logs =
            if prediction.Kind = ValueKind.Probabilities then
                cutLog prediction.Output
            else
                torch.nn.functional.log_softmax (prediction.Output, 1L)

        let share = settings["label-smoothing"]

        let missed =
            torch.nn.functional.nll_loss (logs, prediction.Target, reduction = torch.nn.Reduction.None)

        if share = 0.0 then
            missed
        else
            missed * scalar (1.0 - share) - logs.mean elements * scalar share

    /// −z·ln p − (1 − z)·ln(1 − p); of logits x, (1 − z)·x − ln σ(x), whose logarithm cannot overflow.
    let private binaryCrossEntropy (settings: SettingValues) prediction =
        let share = settings["label-smoothing"]
        let output = prediction.Output
        let target = (targetElements prediction * scalar (1.0 - share)).Plus(share / 2.0)
        let rest = target.SubtractedFrom 1.0

        meanOfElements (
            if areProbabilities prediction then
                -(target * cutLog output).Plus(rest * cutLog (output.SubtractedFrom 1.0))
            else
                rest * output - torch.nn.functional.logsigmoid output
        )

    /// e²/2 up to delta, and the line that goes on from there (Huber 1964).
    let private huber (settings: SettingValues) prediction =
        let size = (differences prediction).abs()
        let near = size.clamp (max = scalar settings["delta"])
        meanOfElements ((near * near * scalar 0.5).Plus((size - near) * scalar settings["delta"]))

    /// ln cosh e = ln(eᵉ + e⁻ᵉ) − ln 2.
    let private logCosh prediction =
        let difference = differences prediction
        meanOfElements (torch.logaddexp (difference, -difference) - scalar (log 2.0))

    /// max(0, 1 − y·output), where y is 1 for the sample's class and −1 for others.
    let private margins prediction =
        let sign = targetElements prediction * scalar 2.0 - scalar 1.0
        (sign * prediction.Output).SubtractedFrom(1.0).relu()

    let private loss name formula settings compares perSample =
        { Name = name
          Summary = ""
          Formula = formula
          Source = ""
          Settings = settings
          Compares = compares
          Probabilities = []
          Misread = []
          Metric = None
          PerSample = perSample }

    let private summary text (definition: LossDefinition) = { definition with Summary = text }
    let private source text (definition: LossDefinition) = { definition with Source = text }

    /// Is meant for logits, but takes some elements for the probabilities that they are.
    let private ofLogits probabilities misread (definition: LossDefinition) =
        { definition with
            Probabilities = probabilities
            Misread = misread }

    let private behind kinds =
        Activation.thatGive kinds |> Suggestion.joined "and"

    /// Counts the classes that are met where the script names no metric.
    let private classifying definition =
        { definition with
            Metric = Some "accuracy" }

    let private delta =
        Setting.Real("delta", 1.0, 1e-30, 1e30, "The difference from which on the loss is a line.")

    /// The losses that scripts can name.
    let all =
        [ loss
              "cross-entropy"
              "−ln p(class), smoothed −(1 − s)·ln p(class) − s·mean ln p over all classes"
              [ smoothing ]
              Comparison.classOfElements
              crossEntropy
          |> summary
              $"The output holds logits, and p is their softmax; behind {behind [ ValueKind.Probabilities ]} it holds p itself, cut to 1e-7 … 1 − 1e-7."
          |> source "smoothing: Szegedy et al., CVPR 2016"
          |> ofLogits [ ValueKind.Probabilities ] [ ValueKind.Chances ]
          |> classifying
          loss
              "binary-cross-entropy"
              "⟨−z·ln p − (1 − z)·ln(1 − p)⟩, smoothed with (1 − s)·z + s/2 in place of z"
              [ smoothing ]
              Comparison.elements
              binaryCrossEntropy
          |> summary
              $"p is the sigmoid of x, and its logarithm is computed without it; behind {behind probabilities} p is x itself, cut to 1e-7 … 1 − 1e-7."
          |> ofLogits probabilities [ ValueKind.LogProbabilities ]
          |> classifying
          loss "mse" "⟨(x − z)²⟩" [] Comparison.elements (fun _ prediction -> meanSquaredError prediction)
          loss "mae" "⟨|x − z|⟩" [] Comparison.elements (fun _ prediction -> meanAbsoluteError prediction)
          loss
              "huber"
              "⟨e²/2⟩ where |e| ≤ delta, else ⟨delta·|e| − delta²/2⟩, e = x − z"
              [ delta ]
              Comparison.elements
              huber
          |> source "Huber, Annals of Mathematical Statistics 1964"
          loss "log-cosh" "⟨ln cosh(x − z)⟩" [] Comparison.elements (fun _ prediction -> logCosh prediction)
          loss
              "hinge"
              "⟨max(0, 1 − y·x)⟩, y = 1 for the sample's class, −1 for others"
              []
              Comparison.classes
              (fun _ prediction -> meanOfElements (margins prediction))
          |> classifying
          loss
              "squared-hinge"
              "⟨max(0, 1 − y·x)²⟩, y = 1 for the sample's class, −1 for others"
              []
              Comparison.classes
              (fun _ prediction -> meanOfElements ((margins prediction).Squared()))
          |> classifying ]
