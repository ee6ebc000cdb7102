using System.Diagnostics;

namespace CnnCluster.Bench.Sides;

/// <summary>
/// Counts the samples of training steps once the code is warm: compiled, and its memory in use. Every side has the same
/// rule, which <c>pytorch_peer.py</c> has too.
/// </summary>
/// <param name="seconds">How long to count.</param>
/// <param name="leastSteps">How many steps are counted at least.</param>
internal sealed class StepMeter(double seconds, int leastSteps = 3)
{
    private const double WarmUpSeconds = 1;
    private const int WarmUpSteps = 2;
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private long samples;
    private int steps;

    /// <summary>Whether what follows is counted.</summary>
    public bool IsWarm { get; private set; }

    public bool IsDone { get; private set; }

    /// <summary>Samples of a second.</summary>
    public double Rate { get; private set; }

    /// <summary>Call after each step.</summary>
    public void Count(long stepSamples)
    {
        steps++;
        samples += stepSamples;
        if (!IsWarm)
        {
            Warm();
        }
        else if (steps >= leastSteps && clock.Elapsed.TotalSeconds >= seconds)
        {
            IsDone = true;
            Rate = samples / clock.Elapsed.TotalSeconds;
        }
    }

    private void Warm()
    {
        if (steps < WarmUpSteps || clock.Elapsed.TotalSeconds < WarmUpSeconds) return;
        IsWarm = true;
        (samples, steps) = (0, 0);
        clock.Restart();
    }
}
