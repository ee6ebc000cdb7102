using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using CnnCluster.Kernels.Collectives;

namespace CnnCluster.Trainer.StateChannel;

/// <summary>Takes states that workers send to the run's home, one connection at a time, on a thread of its own.</summary>
/// <remarks>
/// A connection must pass its security, and show the run's token, within two seconds each; a stranger is dropped without an answer. Content is
/// handed on as a stream, never held whole; a sender that stalls for over 30 s is dropped.
/// </remarks>
public sealed class StateReceiver : IDisposable
{
    private const int HelloPatience = 2_000;
    private const int ContentPatience = 30_000;
    private readonly TcpListener listener;
    private readonly byte[] token;
    private readonly Action<string, Stream> receive;
    private readonly IConnectionSecurity security;
    private readonly Thread thread;
    private volatile bool closed;

    /// <param name="address">The address to listen on; the system gives the port.</param>
    /// <param name="token">The run's 16-byte token.</param>
    /// <param name="receive">Called with each content's name and stream; what it throws is told to the sender.</param>
    /// <param name="security">How connections are opened; plain where none is given.</param>
    public StateReceiver(IPAddress address, byte[] token, Action<string, Stream> receive, IConnectionSecurity? security = null)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(token.Length, StateFrames.TokenBytes);
        this.token = token;
        this.receive = receive;
        this.security = security ?? PlainConnections.Instance;
        listener = new TcpListener(address, 0);
        listener.Start();
        thread = new Thread(Serve) { IsBackground = true, Name = "state receiver" };
        thread.Start();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public void Dispose()
    {
        closed = true;
        listener.Stop();
        thread.Join(TimeSpan.FromSeconds(5));
        listener.Dispose();
    }

    private void Serve()
    {
        while (!closed)
        {
            try
            {
                using var client = listener.AcceptTcpClient();
                using var stream = Open(client.Client);
                ServeOne(stream);
            }
            catch (Exception e) when (e is IOException or SocketException or InvalidDataException or ObjectDisposedException or InvalidOperationException or OperationCanceledException)
            {
                // A stranger, or a sender that died: the sender's own side reports it, and the run goes on.
            }
        }
    }

    private Stream Open(Socket socket)
    {
        using var patience = new CancellationTokenSource(HelloPatience);

        // On the pool, so that no continuation waits for this thread.
        return Task.Run(() => security.AcceptAsync(socket, patience.Token), CancellationToken.None).GetAwaiter().GetResult();
    }

    private void ServeOne(Stream stream)
    {
        stream.ReadTimeout = stream.WriteTimeout = HelloPatience;
        var name = ReadHello(stream);
        stream.ReadTimeout = stream.WriteTimeout = ContentPatience;
        using var content = new ChunkReader(stream);
        var refusal = Accept(name, content);
        StateFrames.WriteFrame(stream, Encoding.UTF8.GetBytes(refusal));
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

    private string ReadHello(Stream stream)
    {
        var hello = new byte[StateFrames.Magic.Length + StateFrames.TokenBytes];
        stream.ReadExactly(hello);
        if (!hello.AsSpan(0, StateFrames.Magic.Length).SequenceEqual(StateFrames.Magic)
            || !CryptographicOperations.FixedTimeEquals(hello.AsSpan(StateFrames.Magic.Length), token))
        {
            throw new InvalidDataException("a connection without the run's token");
        }

        var name = new byte[StateFrames.ReadLength(stream, StateFrames.LongestName)];
        stream.ReadExactly(name);
        return Encoding.UTF8.GetString(name);
    }
}
