using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using CnnCluster.Kernels.Collectives;

namespace CnnCluster.Trainer.StateChannel;

/// <summary>Takes states that workers send to the run's home, one after the other, on a thread of its own.</summary>
/// <remarks>
/// A connection must pass its security, and show the run's token, within seconds; strangers wait beside each other and hold
/// nobody up. Content is handed on as a stream, never held whole; a sender that stalls for over 30 s is dropped.
/// </remarks>
public sealed class StateReceiver : IDisposable
{
    private const int ContentPatience = 30_000;
    private readonly TcpListener listener;
    private readonly byte[] token;
    private readonly Action<string, Stream> receive;
    private readonly CancellationTokenSource closing = new();
    private readonly BlockingCollection<(Stream Stream, string Name)> senders = [];
    private readonly Task accepting;
    private readonly Thread thread;

    /// <param name="address">The address to listen on; the system gives the port.</param>
    /// <param name="token">The run's 16-byte token.</param>
    /// <param name="receive">Called with each content's name and stream; what it throws is told to the sender.</param>
    /// <param name="security">How connections are opened; plain where none is given.</param>
    /// <param name="refused">Hears of each connection that is turned away.</param>
    public StateReceiver(
        IPAddress address, byte[] token, Action<string, Stream> receive, IConnectionSecurity? security = null, Action<Refusal>? refused = null)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(token.Length, StateFrames.TokenBytes);
        this.token = token;
        this.receive = receive;
        listener = new TcpListener(address, 0);
        listener.Start();
        var guarded = new GuardedListener(listener, security ?? PlainConnections.Instance, "the state channel", refused ?? (static _ => { }));
        accepting = Task.Run(() => guarded.RunAsync(GreetAsync, closing.Token));
        thread = new Thread(Serve) { IsBackground = true, Name = "state receiver" };
        thread.Start();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public void Dispose()
    {
        closing.Cancel();
        listener.Stop();
        accepting.Wait(TimeSpan.FromSeconds(5));
        senders.CompleteAdding();
        thread.Join(TimeSpan.FromSeconds(5));
        listener.Dispose();
    }

    private async Task<string?> GreetAsync(Socket socket, Stream stream, CancellationToken patience)
    {
        var hello = new byte[StateFrames.Magic.Length + StateFrames.TokenBytes];
        await stream.ReadExactlyAsync(hello, patience);
        if (!hello.AsSpan(0, StateFrames.Magic.Length).SequenceEqual(StateFrames.Magic)) return "it speaks another protocol";
        if (!CryptographicOperations.FixedTimeEquals(hello.AsSpan(StateFrames.Magic.Length), token)) return "it showed another token";
        var length = new byte[StateFrames.LengthBytes];
        await stream.ReadExactlyAsync(length, patience);
        if (StateFrames.LengthOf(length, StateFrames.LongestName) is not { } size) return "it gave a name of no sensible length";
        var name = new byte[size];
        await stream.ReadExactlyAsync(name, patience);
        senders.Add((stream, Encoding.UTF8.GetString(name)), patience);
        return null;
    }

    private void Serve()
    {
        foreach (var (stream, name) in senders.GetConsumingEnumerable())
        {
            try
            {
                using (stream)
                {
                    ServeOne(stream, name);
                }
            }
            catch (Exception e) when (e is IOException or SocketException or InvalidDataException or ObjectDisposedException or InvalidOperationException)
            {
                // A sender that died: its own side reports it, and the run goes on.
            }
        }
    }

    private void ServeOne(Stream stream, string name)
    {
        stream.ReadTimeout = stream.WriteTimeout = ContentPatience;
        using var content = new ChunkReader(stream);
        var refusal = Accept(name, content);
        StateFrames.WriteFrame(stream, StateFrames.Refusal(refusal));
    }

    /// <summary>Hands the content on; returns the reason if it was refused.</summary>
    private string Accept(string name, ChunkReader content)
    {
        try
        {
            receive(name, content);
            content.CopyTo(Stream.Null);
            return "";
        }
        catch (Exception e) when (e is not (EndOfStreamException or InvalidDataException))
        {
            content.CopyTo(Stream.Null);
            return e.Message;
        }
    }
}
