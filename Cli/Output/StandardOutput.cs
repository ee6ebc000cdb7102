using System.Text;

namespace CnnCluster.Cli.Output;

/// <summary>
/// Standard output, whose failures have the user's words and are not forgotten: who reads a run's events is left out when it
/// fails, and the run goes on. A reader that has gone away (a closed pipe) is no failure: .NET drops what it would get.
/// </summary>
internal sealed class StandardOutput(TextWriter console) : TextWriter
{
    public override Encoding Encoding => console.Encoding;

    /// <summary>Whether something that was written did not arrive.</summary>
    public bool HasFailed { get; private set; }

    public override void Write(char value) => Try(() => console.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => console.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => console.Write(value));

    public override void WriteLine(string? value) => Try(() => console.WriteLine(value));

    public override void Flush() => Try(console.Flush);

    /// <summary>Writes bytes as they are, whatever the console's encoding.</summary>
    /// <exception cref="OutputException">They cannot be written.</exception>
    public static void Write(byte[] bytes)
    {
        try
        {
            using var output = Console.OpenStandardOutput();
            output.Write(bytes);
        }
        catch (IOException e)
        {
            throw Failure(e);
        }
    }

    private static OutputException Failure(IOException e) => new($"standard output cannot be written: {e.Message}", e);

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException e)
        {
            HasFailed = true;
            throw Failure(e);
        }
    }
}
