namespace CnnCluster.Cli.Output;

/// <summary>
/// Standard output, whose failures have the user's words and are not forgotten: who reads a run's events is left out when it
/// fails, and the run goes on.
/// </summary>
internal sealed class StandardOutput(TextWriter console) : StandardStream(console)
{
    /// <summary>Whether something that was written did not arrive.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Writes bytes as they are, whatever the console's encoding.</summary>
    /// <exception cref="OutputException">They cannot be written.</exception>
    public static void Write(byte[] bytes)
    {
        try
        {
            using var output = Console.OpenStandardOutput();
            output.Write(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failure(OfIo(e));
        }
    }

    protected override void Failed(IOException e)
    {
        HasFailed = true;
        throw Failure(e);
    }

    private static OutputException Failure(IOException e) => new($"standard output cannot be written: {e.Message}", e);
}
