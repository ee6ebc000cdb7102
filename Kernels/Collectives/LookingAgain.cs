using System.Diagnostics;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// How a rank waits before it sleeps: it looks again for a while, and soon lets others have its core in between. To be woken
/// takes longer than most waits last.
/// </summary>
/// <param name="atMost">How long, in ticks of <see cref="Stopwatch"/>.</param>
internal readonly struct LookingAgain(long atMost)
{
    private static readonly long Alone = Ticks(TimeSpan.FromMicroseconds(20));
    private static readonly long Longest = Ticks(TimeSpan.FromMicroseconds(300));
    private readonly long start = Stopwatch.GetTimestamp();

    /// <summary>For how long, by the number of a host's ranks: one that has no core to itself would keep the others from theirs.</summary>
    public static long TicksOf(int world) => world <= Environment.ProcessorCount ? Longest : 0;

    /// <summary>A moment later: whether to look again. False when it is time to sleep.</summary>
    public bool Again()
    {
        var taken = Stopwatch.GetTimestamp() - start;
        if (taken >= atMost) return false;
        if (taken < Alone) Thread.SpinWait(8);
        else Thread.Yield();
        return true;
    }

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);
}
