using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination;

/// <summary>Where a worker's time in an epoch's steps went; sums over the steps, in seconds.</summary>
/// <param name="Worker">The worker.</param>
/// <param name="Steps">Steps that were timed.</param>
/// <param name="Computing">Its own work: data, forward, backward, update.</param>
/// <param name="Waiting">In collectives, beyond what exchanging takes: for workers that came later.</param>
/// <param name="Communicating">
/// Exchanging with the others. No worker sees where its waiting ends and this begins; but who comes last waits for nobody, so
/// it is the least that any of them spent in collectives.
/// </param>
public sealed record WorkerTimes(RosterEntry Worker, long Steps, double Computing, double Waiting, double Communicating)
{
    /// <summary>Its own work in a step, in seconds; only where steps were timed.</summary>
    public double StepSeconds => Computing / Steps;

    /// <summary>In exact mode, how many shards of a batch it computes: who has one more than others takes longer, and is not slow. Else 1.</summary>
    public int Shards { get; init; } = 1;

    /// <summary>Its own work in a step for each of its shards, in seconds.</summary>
    public double ShardSeconds => StepSeconds / Shards;

    /// <summary>An epoch's times of all workers, as they have told them; of those that timed no step nothing.</summary>
    /// <param name="told">In rank order.</param>
    /// <param name="shards">In exact mode the shards of a batch; else null.</param>
    public static IReadOnlyList<WorkerTimes> Of(IReadOnlyCollection<(RosterEntry Worker, StepTimes? Times)> told, int? shards = null)
    {
        var timed = told.Index().Where(static entry => entry.Item.Times is { Steps: > 0 }).ToList();
        var exchanging = timed.Select(static entry => entry.Item.Times!.ReducingSeconds).DefaultIfEmpty().Min();
        return [.. timed.Select(entry => OfOne(entry.Index, entry.Item.Worker, entry.Item.Times!))];

        WorkerTimes OfOne(int rank, RosterEntry worker, StepTimes times) =>
            new(worker, times.Steps, times.ComputingSeconds, times.ReducingSeconds - exchanging, exchanging)
            {
                Shards = shards is { } all ? Slices.Of(all, rank, told.Count).Count : 1,
            };
    }
}
