using CnnCluster.Kernels.Collectives;

namespace CnnCluster.Trainer.Security;

/// <summary>Says which connections are turned away: one line each, and of a crowd a line every ten seconds.</summary>
/// <param name="log">Takes the lines.</param>
internal sealed class Refusals(Action<string> log)
{
    private const int AtOnce = 5;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    private readonly Lock gate = new();
    private readonly System.Diagnostics.Stopwatch since = System.Diagnostics.Stopwatch.StartNew();
    private int said;
    private int unsaid;

    /// <summary>From any thread.</summary>
    public void Note(Refusal refusal)
    {
        lock (gate)
        {
            if (since.Elapsed > Interval)
            {
                if (unsaid > 0) log($"cnn: {unsaid} more connections were turned away");
                (said, unsaid) = (0, 0);
                since.Restart();
            }

            if (said == AtOnce)
            {
                unsaid++;
                return;
            }

            said++;
            log($"cnn: a connection from {refusal.From} to {refusal.To} was turned away: {refusal.Why}");
        }
    }
}
