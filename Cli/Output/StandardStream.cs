using System.Text;

namespace CnnCluster.Cli.Output;

/// <summary>A standard stream that may be full or gone. A reader that has gone away (a closed pipe) is no failure: .NET drops what it would get.</summary>
internal abstract class StandardStream(TextWriter console) : TextWriter
{
    public override Encoding Encoding => console.Encoding;

    public override void Write(char value) => Try(() => console.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => console.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => console.Write(value));

    public override void WriteLine(string? value) => Try(() => console.WriteLine(value));

    public override void Flush() => Try(console.Flush);

    /// <summary>Something that was written did not arrive.</summary>
    protected abstract void Failed(IOException e);

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Failed(OfIo(e));
        }
    }

    /// <summary>A stream that was closed before the program began is one without access to .NET.</summary>
    protected static IOException OfIo(Exception e) => e as IOException ?? e.InnerException as IOException ?? new IOException(e.Message, e);
}
