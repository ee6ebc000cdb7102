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

    /// <summary>An epoch's times of all workers, as they have told them; of those that timed no step nothing.</summary>
    /// <param name="told">In rank order.</param>
    public static IReadOnlyList<WorkerTimes> Of(IEnumerable<(RosterEntry Worker, StepTimes? Times)> told)
    {
        var timed = told.Where(static entry => entry.Times is { Steps: > 0 }).ToList();
        var exchanging = timed.Select(static entry => entry.Times!.ReducingSeconds).DefaultIfEmpty().Min();
        return [.. timed.Select(entry => new WorkerTimes(
            entry.Worker, entry.Times!.Steps, entry.Times.ComputingSeconds, entry.Times.ReducingSeconds - exchanging, exchanging))];
    }
}
