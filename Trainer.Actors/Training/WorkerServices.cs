using System.Collections.Concurrent;
using System.Security.Cryptography;
using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Security;
using CnnCluster.Trainer.Tracing;
using Google.Protobuf;

namespace CnnCluster.Trainer.Training;

/// <summary>What the workers of one process share.</summary>
public sealed class WorkerServices(DataCache data) : IDisposable
{
    /// <summary>How long a rank waits for the others to come, which all listen when they are told to. A lost process is noticed at once.</summary>
    public static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(10);

    /// <summary>How long it waits in one operation.</summary>
    public static readonly TimeSpan OperationPatience = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<string, IReadOnlyList<ICollective>> groups = new(StringComparer.Ordinal);
    private readonly Lock gate = new();
    private TraceFile? part;

    public DataCache Data { get; } = data;

    /// <summary>Tells workers that share all this, and can sum as threads of one process, from all others: random bytes.</summary>
    public ByteString Process { get; } = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(RosterEntry.ProcessBytes));

    /// <summary>What the run's script may name, as its home was told.</summary>
    public Catalogues Catalogues { get; init; } = TrainingCatalogues.All;

    /// <summary>Where this process is found by the workers of others; null for this machine alone.</summary>
    public NodeNetwork? Network { get; init; }

    /// <summary>Hears of each connection that is turned away.</summary>
    public Action<Refusal> Refused { get; init; } = static _ => { };

    /// <summary>Takes what nobody foresaw, with where it was thrown; standard error unless said otherwise.</summary>
    public Action<Exception> Unexpected { get; init; } = static exception => Console.Error.WriteLine(exception);

    /// <summary>Makes a worker's step of one's own; null for the script's losses.</summary>
    public Func<OwnStep>? OwnStep { get; init; }

    /// <summary>The trace of the run's home, where the workers are threads of it; null in worker processes, and without a trace.</summary>
    public TraceFile? HomeTrace { get; init; }

    /// <summary>Where this process's workers are traced: into the home's file, or a part of their own; null for nowhere.</summary>
    public TraceFile? TraceFor(Job job)
    {
        if (HomeTrace is not null || job.TraceFile.Length == 0) return HomeTrace;
        lock (gate)
        {
            return part ??= new TraceFile(TraceFile.PartOf(job.TraceFile), "cnn node", job.TraceSteps);
        }
    }

    /// <summary>Ends this process's part of the trace, when its workers have ended.</summary>
    public void Dispose() => part?.Dispose();

    /// <summary>A rank's collective in the group of a generation, which its token names.</summary>
    public ICollective InProcess(Rank rank, WorldSize world, ReadOnlySpan<byte> token) =>
        world.Value == 1
            ? new SoloCollective()
            : groups.GetOrAdd(Convert.ToHexString(token), _ => new InProcessGroup(world, OperationPatience).Collectives())[rank.Value];
}
