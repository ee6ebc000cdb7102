namespace CnnCluster.Dsl

open System
open System.Collections.Generic
open CnnCluster.Kernels

/// What a plan's losses and metrics make of one batch after another. What it gives lies in arrays of its own, up to the
/// next batch, so that a training step makes none. One thread at a time.
[<Sealed>]
type Objective(plan: TrainPlan) =
    let kinds =
        [| for output in plan.Network.Outputs -> (plan.Network.ElementsOf output).Kind |]

    let lossesOf = Array.ofSeq plan.Losses
    let metrics = Array.ofSeq plan.Metrics
    let values = Array.zeroCreate<Tensor> lossesOf.Length
    let mutable figures = Array.zeroCreate<Tensor> plan.FigureNames.Count

    let predict output target (batch: BatchTensors) : Prediction =
        { Output = batch.Outputs[output]
          Target =
            match target with
            | OfData i -> batch.Targets[i]
            | OfInput i -> batch.Inputs[i]
          Kind = kinds[output] }

    let weighted i (values: Tensor) =
        let weight = lossesOf[i].Weight
        if weight = 1.0 then values else values * Scalars.Of weight

    /// Each loss' values, (N) each, without weights.
    member _.Losses(batch: BatchTensors) : IReadOnlyList<Tensor> =
        for i in 0 .. values.Length - 1 do
            let judge = lossesOf[i].Judge

            values[i] <-
                judge.Chosen.Definition.PerSample judge.Chosen.Settings (predict judge.Output judge.Target batch)

        values

    /// What training makes less: the weighted sum of the losses' values, (N).
    member _.Total(losses: IReadOnlyList<Tensor>) : Tensor =
        let mutable total = weighted 0 losses[0]

        for i in 1 .. losses.Count - 1 do
            total <- total.Plus(weighted i losses[i])

        total

    /// The values of each figure besides the whole loss, (N) each, in the order of their names: the losses given, where
    /// there are several, and the metrics.
    member _.Figures(batch: BatchTensors, losses: IReadOnlyList<Tensor>) : IReadOnlyList<Tensor> =
        let several = if losses.Count > 1 then losses.Count else 0

        // A step of one's own has losses of its own, in place of the plan's.
        if figures.Length <> several + metrics.Length then
            figures <- Array.zeroCreate (several + metrics.Length)

        for i in 0 .. several - 1 do
            figures[i] <- losses[i]

        for i in 0 .. metrics.Length - 1 do
            let metric = metrics[i]

            figures[several + i] <-
                metric.Chosen.Definition.PerSample metric.Chosen.Settings (predict metric.Output metric.Target batch)

        figures

    /// The classes that an output speaks for, int64 (N).
    member _.PredictedClasses(classification: Classification, batch: BatchTensors) =
        Metric.predictedClasses (predict classification.Output (OfData classification.Target) batch)
