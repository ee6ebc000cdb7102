namespace CnnCluster.Dsl

open CnnCluster.Kernels

/// A catalogue entry: gives each sample's value, (N), to be averaged.
type MetricDefinition =
    {
        Name: string
        Summary: string
        Settings: Setting list
        Compares: Comparison
        /// Whether more is better.
        Higher: bool
        PerSample: SettingValues -> Prediction -> Tensor
    }

module Metric =
    open Prediction

    /// The class that each sample's output speaks for, int64 (N): that of the highest element; of a single one, 1 where
    /// the probability is above a half.
    let predictedClasses prediction =
        let output = prediction.Output

        if output.size 1 = 1L then
            let half = if areProbabilities prediction then 0.5 else 0.0
            output.gt(scalar half).``to``(TorchSharp.torch.int64).squeeze 1L
        else
            output.argmax 1L

    let private met (hits: Tensor) prediction = hits.``to`` prediction.Output.dtype

    let private accuracyOf prediction =
        met ((predictedClasses prediction).eq prediction.Target) prediction

    let private topK (k: int) prediction =
        let classes = prediction.Output.size 1
        let struct (_, best) = prediction.Output.topk (int (min (int64 k) classes), 1)
        met (best.eq(prediction.Target.unsqueeze 1L).any 1L) prediction

    let private binaryAccuracy threshold prediction =
        let probabilities =
            if areProbabilities prediction then
                prediction.Output
            else
                prediction.Output.sigmoid ()

        let said = met (probabilities.gt (scalar threshold)) prediction
        meanOfElements (met (said.eq (targetElements prediction)) prediction)

    let private metric name summary settings compares higher perSample =
        { Name = name
          Summary = summary
          Settings = settings
          Compares = compares
          Higher = higher
          PerSample = perSample }

    /// The metrics that scripts can name.
    let all =
        [ metric
              "accuracy"
              "The share of samples whose class is the one of the highest output."
              []
              Comparison.classes
              true
              (fun _ prediction -> accuracyOf prediction)
          metric
              "top_k_accuracy"
              "The share of samples whose class is among the k highest outputs."
              [ Setting.Whole("k", 5.0, 1.0, 1e6, "How many outputs count.") ]
              Comparison.classOfElements
              true
              (fun settings prediction -> topK (int settings["k"]) prediction)
          metric
              "binary_accuracy"
              "The share of elements that are 1 where the probability is above the threshold, and else 0."
              [ Setting.Real("threshold", 0.5, 0.0, 1.0, "The probability from which on an element counts as 1.") ]
              Comparison.elements
              true
              (fun settings prediction -> binaryAccuracy settings["threshold"] prediction)
          metric "mse" "The mean of the squared differences." [] Comparison.elements false (fun _ prediction ->
              meanSquaredError prediction)
          metric "mae" "The mean of the absolute differences." [] Comparison.elements false (fun _ prediction ->
              meanAbsoluteError prediction) ]
