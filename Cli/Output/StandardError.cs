namespace CnnCluster.Cli.Output;

/// <summary>
/// Standard error, which tells a person how things go. Where it cannot be written there is nowhere left to say so, and nothing depends
/// on it: the command goes on, and its exit code is what its work deserves. What comes later is tried again, as room may be made.
/// </summary>
internal sealed class StandardError(TextWriter console) : StandardStream(console)
{
    protected override void Failed(IOException e)
    {
    }
}
