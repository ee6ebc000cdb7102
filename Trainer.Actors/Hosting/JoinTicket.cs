using System.Globalization;
using System.Net;

namespace CnnCluster.Trainer.Hosting;

/// <summary>What a node needs to join a run: where its home is, and the run's token. Two lines of a file that its owner alone can read.</summary>
/// <param name="Home">The address of the run's cluster.</param>
/// <param name="Token">16 bytes.</param>
public sealed record JoinTicket(DnsEndPoint Home, byte[] Token)
{
    private const int Bytes = 16;

    /// <summary>Writes the file; it is readable by its owner alone from the first.</summary>
    public void Write(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var writer = new StreamWriter(path, options);
        writer.Write(string.Create(CultureInfo.InvariantCulture, $"{Home.Host}:{Home.Port}\n{Convert.ToHexString(Token)}\n"));
    }

    /// <exception cref="UserException">The file cannot be read, or is no ticket.</exception>
    public static JoinTicket Read(string path)
    {
        try
        {
            var lines = File.ReadAllLines(path);
            return lines.Length == 2 && TryParseAddress(lines[0]) is { } home
                ? new JoinTicket(home, ParseToken(lines[1], path))
                : throw new UserException($"{path} is no file that a run has written for its nodes.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>HOST:PORT, or null where the text is none.</summary>
    public static DnsEndPoint? TryParseAddress(string text)
    {
        var colon = text.LastIndexOf(':');
        return colon > 0 && int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port < 65536
            ? new DnsEndPoint(text[..colon].Trim('[', ']'), port)
            : null;
    }

    /// <summary>The token that the environment names; null where it names none.</summary>
    /// <exception cref="UserException">It is no token.</exception>
    public static byte[]? TokenOfEnvironment() =>
        Environment.GetEnvironmentVariable(LocalProcesses.TokenVariable) is { Length: > 0 } text ? ParseToken(text, LocalProcesses.TokenVariable) : null;

    /// <param name="text">Hexadecimal.</param>
    /// <param name="source">Where it stands, for the message.</param>
    /// <exception cref="UserException">It is no token.</exception>
    public static byte[] ParseToken(string text, string source)
    {
        try
        {
            var token = Convert.FromHexString(text);
            return token.Length == Bytes
                ? token
                : throw new UserException($"{source} holds no token: that has {2 * Bytes} hexadecimal digits, and this {2 * token.Length}.");
        }
        catch (FormatException)
        {
            throw new UserException($"{source} holds no token: it must be hexadecimal.");
        }
    }
}

/// <summary>A ticket as a file, which goes when the run does not listen any more.</summary>
public sealed class JoinFile : IDisposable
{
    public JoinFile(string path, JoinTicket ticket)
    {
        Path = path;
        ticket.Write(path);
    }

    public string Path { get; }

    public void Dispose() => File.Delete(Path);
}
