namespace CnnCluster.Dsl

open System.Collections.Generic
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization

/// What the checker must know of a data set; data sets live above the language.
type DataSetEntry =
    { Name: string
      Height: int
      Width: int
      Channels: int
      Classes: int
      Settings: IReadOnlyList<Setting> }

/// An augmentation, as far as the checker must know it.
type AugmentationEntry =
    { Name: string
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
            List.contains layer.Name ReservedWords.all
            || Activation.all |> List.exists (fun known -> known.Name = layer.Name)
        then
            invalidArg (nameof layer) $"'{layer.Name}' is a word of the language, and no name for a layer."

        { catalogues with
            Layers = [ yield! catalogues.Layers; layer ] }

/// A catalogue's word with the values of its settings.
type Chosen<'Definition> =
    { Definition: 'Definition
      Settings: SettingValues }

type Precision =
    | Float32 = 0
    | Float64 = 1

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

/// A checked `train` part.
type TrainPlan =
    {
        Name: string
        Network: NetworkPlan
        Data: Chosen<DataSetEntry>
        /// The share of the training samples, the last ones, that validation takes; 0 takes the data set's own.
        ValidationSplit: float
        Loss: Chosen<LossDefinition>
        Target: Target
        Metrics: IReadOnlyList<Chosen<MetricDefinition>>
        Augmentations: IReadOnlyList<Chosen<AugmentationEntry>>
        Optimizer: Chosen<UpdateRuleDefinition>
        Schedule: Chosen<ScheduleDefinition>
        Clipping: GradientClipping | null
        /// Batches whose gradients make one step.
        Accumulate: int
        Precision: Precision
        /// Samples of one batch, over all workers.
        Batch: int
        Epochs: int
        EarlyStop: EarlyStop
        Seed: uint64
    }

    /// Each sample's loss, (N).
    member plan.SampleLoss(output, target) =
        plan.Loss.Definition.PerSample
            plan.Loss.Settings
            { Output = output
              Target = target
              Probabilities = plan.Network.EndsInSoftmax }

    /// Each sample's value of one metric, (N).
    member plan.SampleMetric(index: int, output, target) =
        let metric = plan.Metrics[index]

        metric.Definition.PerSample
            metric.Settings
            { Output = output
              Target = target
              Probabilities = plan.Network.EndsInSoftmax }

    member plan.TargetIsInput = (plan.Target = InputItself)

    member plan.MetricNames: IReadOnlyList<string> =
        [ for metric in plan.Metrics -> metric.Definition.Name ]

    member plan.CreateRule() =
        plan.Optimizer.Definition.Create.Invoke plan.Optimizer.Settings

    member plan.CreateSchedule() =
        plan.Schedule.Definition.Create.Invoke plan.Schedule.Settings
