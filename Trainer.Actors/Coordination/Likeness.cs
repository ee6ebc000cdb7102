using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination;

/// <summary>Whether a worker's program is enough like the run's for the worker to take part.</summary>
internal static class Likeness
{
    /// <summary>What messages and scripts mean is this program's alone to say.</summary>
    private const string Program = "cnn";

    /// <summary>What the bits of a step depend on besides.</summary>
    private static readonly string[] OfBits = ["torchsharp", "dotnet", "instruction_set"];

    /// <param name="who">The worker.</param>
    /// <param name="run">What the run's home has. Without versions nothing is compared.</param>
    /// <returns>Why it cannot take part; null where it can.</returns>
    public static string? WhyNot(RegisterWorker who, RunSettings run)
    {
        if (run.Versions.Count == 0) return null;
        string[] compared = run.IsExact ? [Program, .. OfBits] : [Program];
        if (compared.FirstOrDefault(Differs) is { } other)
        {
            var why = other == Program ? "all workers of a run have one version" : "an exact run has the same bits on workers that are alike alone";
            return $"it has {other} {Of(who, other)}, and the run {run.Versions[other]}: {why}";
        }

        return run.IsExact && who.Device != "cpu" ? $"it computes on {who.Device}, and an exact run on cpu alone" : null;

        bool Differs(string what) => Of(who, what) != run.Versions.GetValueOrDefault(what);
    }

    /// <summary>The same of one that has its replica: whether it came to the threads that it was told to compute with.</summary>
    public static string? WhyNot(WorkerPrepared who, RunSettings run) =>
        run.IsExact && who.Threads > 0 && who.Threads != run.Job.Threads
            ? $"it computes with {who.Threads} threads, and the run with {run.Job.Threads}: one thread convolves and sums otherwise than several, and an exact run has the same bits on all its workers"
            : null;

    private static string Of(RegisterWorker who, string what) => who.Versions.TryGetValue(what, out var version) ? version : "of no known version";
}
