namespace CnnCluster.Trainer.Protocol;

/// <summary>A message that counts only within one generation; those of another are left unanswered.</summary>
public interface IOfGeneration
{
    long Generation { get; }
}

public partial class WorkerReady : IOfGeneration;

public partial class Heartbeat : IOfGeneration;

public partial class EpochTrained : IOfGeneration;

public partial class Validated : IOfGeneration;

public partial class WorkerFinished : IOfGeneration;

public partial class WorkerFailed : IOfGeneration;

public partial class FormGeneration : IOfGeneration;

public partial class TrainEpoch : IOfGeneration;

public partial class Validate : IOfGeneration;

public partial class DeliverState : IOfGeneration;

public partial class Finish : IOfGeneration;

public partial class StopAtNextStep : IOfGeneration;
