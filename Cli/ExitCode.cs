namespace CnnCluster.Cli;

/// <summary>What <c>cnn</c> tells its caller.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>The run failed, or <c>fmt --check</c> found a file that would change.</summary>
    public const int Failed = 1;

    /// <summary>The input was wrong: a script, a data file, an argument.</summary>
    public const int WrongInput = 2;

    /// <summary>Stopped by Ctrl-C, resumably.</summary>
    public const int Interrupted = 130;
}
