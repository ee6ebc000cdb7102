namespace CnnCluster.Dsl

open System.Collections.Generic
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization

/// What the checker must know of a data set; data sets live above the language.
type DataSetEntry =
    {
        Name: string
        Summary: string
        /// At least one.
        Inputs: IReadOnlyList<DataInput>
        /// At least one.
        Targets: IReadOnlyList<DataTarget>
        Settings: IReadOnlyList<Setting>
    }

/// An augmentation, as far as the checker must know it.
type AugmentationEntry =
    { Name: string
      Summary: string
      Settings: IReadOnlyList<Setting> }

/// What scripts can name, as far as it is not the same for all: own layers may be added, and data sets live above the
/// language.
type Catalogues =
    { Layers: IReadOnlyList<LayerDefinition>
      DataSets: IReadOnlyList<DataSetEntry>
      Augmentations: IReadOnlyList<AugmentationEntry> }

    /// The language's own layers, with these data sets and augmentations.
    static member Of(dataSets: IReadOnlyList<DataSetEntry>, augmentations: IReadOnlyList<AugmentationEntry>) =
        { Layers = Layers.Catalogue.layers
          DataSets = dataSets
          Augmentations = augmentations }

    /// The language's own layers, and nothing to train on.
    static member LayersOnly = Catalogues.Of([], [])

    /// With a further layer.
    /// <exception cref="System.ArgumentException">Its name is taken, or is no name.</exception>
    member catalogues.WithLayer(layer: LayerDefinition) =
        if not (System.Text.RegularExpressions.Regex.IsMatch(layer.Name, "^[a-z][a-z0-9_]*$")) then
            invalidArg (nameof layer) $"'{layer.Name}' is no name for a layer: lower-case letters, digits and _."

        if catalogues.Layers |> Seq.exists (fun known -> known.Name = layer.Name) then
            invalidArg (nameof layer) $"There is a layer '{layer.Name}' already."

        if
            List.contains layer.Name Words.reserved
            || Activation.all |> List.exists (fun known -> known.Name = layer.Name)
        then
            invalidArg (nameof layer) $"'{layer.Name}' is a word of the language, and no name for a layer."

        { catalogues with
            Layers = [ yield! catalogues.Layers; layer ] }

/// A catalogue's word with the values of its settings.
type Chosen<'Definition> =
    { Definition: 'Definition
      Settings: SettingValues }

/// What a run computes with. Weights, gradients and optimizer states are float64 with Float64, and float32 otherwise.
type Precision =
    | Float32 = 0
    | Float64 = 1
    /// Products in bfloat16: 8 bits of fraction, float32's range.
    | BFloat16 = 2
    /// Products in float16: 11 bits of fraction, a range up to 65,504, and so a scaled loss.
    | Float16 = 3

/// Which weights a run ends with.
type Restore =
    | Best = 0
    | Last = 1

type EarlyStop =
    {
        /// A figure of the epoch, such as `val_loss`.
        Monitor: string
        Higher: bool
        /// Epochs without improvement after which to stop; null never stops.
        Patience: System.Nullable<int>
        MinDelta: float
        Baseline: System.Nullable<float>
        StartFromEpoch: int
        Restore: Restore
    }

/// The figure of the epochs that a schedule follows.
type FollowedFigure =
    {
        /// Such as `val_loss`.
        FigureName: string
        HigherIsBetter: bool
    }

/// A loss or a metric at work: what it compares, and what its mean is called.
type Judge<'Definition> =
    {
        Chosen: Chosen<'Definition>
        /// The output, by its place in the network.
        Output: int
        Target: Target
        /// Behind `train_` and `val_`, as in `accuracy_age`.
        Figure: string
    }

/// A loss and its share in what training makes less.
type WeightedLoss =
    { Judge: Judge<LossDefinition>
      Weight: float }

/// An output that says which class a sample is of.
type Classification =
    {
        /// As a figure's.
        Name: string
        Output: int
        /// The data set's target, by its place there.
        Target: int
        Classes: int
    }

/// A batch on its way through a network: (N, …) each.
[<Struct>]
type BatchTensors =
    {
        Inputs: IReadOnlyList<Tensor>
        Outputs: IReadOnlyList<Tensor>
        /// The data set's targets: classes as int64 (N), numbers (N, count).
        Targets: IReadOnlyList<Tensor>
    }

/// A checked `train` part.
type TrainPlan =
    {
        Name: string
        Network: NetworkPlan
        Data: Chosen<DataSetEntry>
        /// For each of the network's inputs, the data set's that it takes, by its place there.
        InputSources: IReadOnlyList<int>
        /// The share of the training samples, the last ones, that validation takes; 0 takes the data set's own.
        ValidationSplit: float
        /// At least one.
        Losses: IReadOnlyList<WeightedLoss>
        Metrics: IReadOnlyList<Judge<MetricDefinition>>
        Augmentations: IReadOnlyList<Chosen<AugmentationEntry>>
        Optimizer: Chosen<UpdateRuleDefinition>
        Schedule: Chosen<ScheduleDefinition>
        /// What the schedule follows, if it is one that does.
        Followed: FollowedFigure | null
        Clipping: GradientClipping | null
        /// Batches whose gradients make one step.
        Accumulate: int
        Precision: Precision
        /// Samples of one batch, over all workers.
        Batch: int
        Epochs: int
        EarlyStop: EarlyStop
        Seed: uint64
        /// In exact mode the parts that each batch is cut into, whatever the number of workers; null otherwise.
        Shards: System.Nullable<int>
    }

    /// The figures of an epoch besides the whole loss: the losses, where there are several, and the metrics.
    member plan.FigureNames: IReadOnlyList<string> =
        [| if plan.Losses.Count > 1 then
               for loss in plan.Losses -> loss.Judge.Figure
           for metric in plan.Metrics -> metric.Figure |]

    /// The outputs that losses compare with classes, and the classes' targets.
    member plan.Classifications: IReadOnlyList<Classification> =
        let classifying =
            [ for { Judge = judge } in plan.Losses do
                  match judge.Target with
                  | OfInput _ -> ()
                  | OfData i ->
                      let target = plan.Data.Definition.Targets[i]

                      match target.Kind with
                      | Numbers _ -> ()
                      | Classes count ->
                          { Base = "confusion"
                            Output = plan.Network.Outputs[judge.Output].Name
                            Details = [ target.Name ] },
                          { Name = ""
                            Output = judge.Output
                            Target = i
                            Classes = count } ]
            |> List.distinct

        let names =
            classifying |> List.map fst |> FigureNames.assign plan.Network.Outputs.Length

        [| for name, (_, classification) in List.zip names classifying -> { classification with Name = name } |]

    /// Steps of an epoch over so many training samples; the last one may have fewer samples than the others.
    member plan.StepsPerEpoch(samples: int) : int64 =
        let each = int64 plan.Batch * int64 plan.Accumulate
        (int64 samples + each - 1L) / each

    member plan.CreateRule() =
        plan.Optimizer.Definition.Create.Invoke plan.Optimizer.Settings

    member plan.CreateSchedule() =
        plan.Schedule.Definition.Create.Invoke plan.Schedule.Settings
