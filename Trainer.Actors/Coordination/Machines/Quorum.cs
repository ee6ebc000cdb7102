namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>Who may form the next generation: one side of a split at most.</summary>
public static class Quorum
{
    /// <param name="workers">Workers of the last generation that was formed.</param>
    /// <param name="standing">Those among them that answered.</param>
    /// <param name="confirmed">Those that are known to be gone for good: the operating system, or they themselves, said so. They agree to everything.</param>
    /// <param name="hasHome">Whether the run's home is on this side.</param>
    /// <returns>Whether this side is more than half, or just half and has the home.</returns>
    public static bool Allows(int workers, int standing, int confirmed, bool hasHome)
    {
        var twice = 2 * (standing + confirmed);
        return standing > 0 && (twice > workers || (twice == workers && hasHome));
    }
}
