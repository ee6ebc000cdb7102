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

/// The catalogues that live above the language.
type Catalogues =
    { DataSets: IReadOnlyList<DataSetEntry>
      Augmentations: IReadOnlyList<AugmentationEntry> }

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
