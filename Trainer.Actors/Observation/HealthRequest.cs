using System.Text;

namespace CnnCluster.Trainer.Observation;

/// <summary>What is asked of a process's health: as much of HTTP/1.1 (RFC 9112) as it takes.</summary>
/// <param name="Path">Without a query; empty where the request has a flaw.</param>
/// <param name="Flaw">The status that says what is wrong with it; null where nothing is.</param>
internal sealed record HealthRequest(string Path, int? Flaw)
{
    /// <summary>Probes send some hundred bytes.</summary>
    public const int MostBytes = 8192;

    /// <summary>What is read of a request that is refused, so that its sender reads the answer.</summary>
    private const int MostDrained = 1 << 16;

    private static readonly Dictionary<int, string> Reasons = new()
    {
        [200] = "OK",
        [400] = "Bad Request",
        [404] = "Not Found",
        [405] = "Method Not Allowed",
        [431] = "Request Header Fields Too Large",
        [503] = "Service Unavailable",
    };

    /// <summary>Reads a request's head; a body is no part of what is asked here.</summary>
    /// <exception cref="EndOfStreamException">The connection ended within it.</exception>
    public static async Task<HealthRequest> ReadAsync(Stream stream, CancellationToken patience)
    {
        var buffer = new byte[MostBytes];
        var length = 0;
        while (length < MostBytes)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(length), patience);
            if (read == 0) throw new EndOfStreamException();
            length += read;
            if (buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8) >= 0) return Parse(buffer.AsSpan(0, length));
        }

        return new HealthRequest("", 431);
    }

    /// <summary>The head of an answer with a JSON body of so many bytes, behind which the connection ends.</summary>
    public static byte[] Reply(int status, int length) => Encoding.ASCII.GetBytes(
        $"HTTP/1.1 {status} {Reasons[status]}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
        + (status == 405 ? "Allow: GET\r\n" : "")
        + "Cache-Control: no-store\r\nConnection: close\r\n\r\n");

    /// <summary>Reads what is left, up to a bound.</summary>
    public static async Task DrainAsync(Stream stream, CancellationToken patience)
    {
        var rest = new byte[4096];
        for (var drained = 0; drained < MostDrained;)
        {
            var read = await stream.ReadAsync(rest, patience);
            if (read == 0) return;
            drained += read;
        }
    }

    /// <summary>The line of the request; the fields behind it say nothing that counts here.</summary>
    private static HealthRequest Parse(ReadOnlySpan<byte> head)
    {
        var line = Encoding.ASCII.GetString(head[..head.IndexOf("\r\n"u8)]).Split(' ');
        return line is not [var method, ['/', ..] target, "HTTP/1.1" or "HTTP/1.0"] ? new HealthRequest("", 400)
            : method != "GET" ? new HealthRequest("", 405)
            : new HealthRequest(target.Split('?')[0], null);
    }
}
