using CnnCluster.Kernels.Collectives;

namespace CnnCluster.Trainer.Security;

/// <summary>
/// Says what is turned away, connections and messages: one line of each kind, so that a crowd hides nobody else, five more, and
/// then their number, with the next line or at the end. A kind is what something came to, with the reason.
/// </summary>
/// <param name="log">Takes the lines.</param>
/// <param name="clock">Tells the time.</param>
public sealed class Refusals(Action<string> log, TimeProvider? clock = null) : IDisposable
{
    /// <summary>Lines in an interval besides the first of each kind.</summary>
    public const int MostAgain = 5;

    /// <summary>Kinds in an interval: some reasons have words of a stranger's own in them.</summary>
    public const int MostKinds = 50;

    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    private readonly TimeProvider clock = clock ?? TimeProvider.System;
    private readonly Lock gate = new();
    private readonly HashSet<(string To, string Why)> kinds = [];
    private long? since;
    private int again;
    private int unsaid;

    /// <summary>From any thread.</summary>
    public void Note(Refusal refusal)
    {
        lock (gate)
        {
            if (since is not { } start || clock.GetElapsedTime(start) > Interval) Begin();
            if (IsSaid(refusal)) log($"cnn: {refusal.What} from {refusal.From} to {refusal.To} was turned away: {refusal.Why}");
            else unsaid++;
        }
    }

    /// <summary>Says how many were not said.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            SayRest();
        }
    }

    private bool IsSaid(Refusal refusal) =>
        (kinds.Count < MostKinds && kinds.Add((refusal.To, refusal.Why))) || again++ < MostAgain;

    private void Begin()
    {
        SayRest();
        since = clock.GetTimestamp();
        kinds.Clear();
        again = 0;
    }

    private void SayRest()
    {
        if (unsaid > 0) log($"cnn: {unsaid} more were turned away");
        unsaid = 0;
    }
}
