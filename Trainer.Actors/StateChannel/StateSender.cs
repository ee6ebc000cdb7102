using System.Net.Sockets;
using System.Text;
using CnnCluster.Kernels.Collectives;

namespace CnnCluster.Trainer.StateChannel;

/// <summary>Sends one named content, such as a checkpoint, to the run's home.</summary>
public static class StateSender
{
    private const int Attempts = 3;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Connects, sends, and waits until the receiver has it safe.</summary>
    /// <param name="host">The receiver's host name or address.</param>
    /// <param name="port">The receiver's port.</param>
    /// <param name="token">The run's 16-byte token.</param>
    /// <param name="name">What the receiver is to call it, at most 200 bytes of UTF-8.</param>
    /// <param name="write">Writes the content; once more where the connection breaks.</param>
    /// <param name="security">How the connection is opened; plain where none is given.</param>
    /// <exception cref="IOException">The receiver is gone, late by over 30 s, answers with no sense, or refused the content.</exception>
    public static void Send(
        string host, int port, ReadOnlySpan<byte> token, string name, Action<Stream> write, IConnectionSecurity? security = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                SendOnce(host, port, token, name, write, security);
                return;
            }
            catch (IOException e) when (attempt < Attempts && e is not StateRefusedException)
            {
                // A receiver that stood still for a while turns away whoever came meanwhile.
            }
        }
    }

    private static void SendOnce(
        string host, int port, ReadOnlySpan<byte> token, string name, Action<Stream> write, IConnectionSecurity? security = null)
    {
        try
        {
            using var client = new TcpClient { NoDelay = true };
            if (!client.ConnectAsync(host, port).Wait(Patience))
            {
                throw new IOException($"no connection to {host}:{port} within {Patience.TotalSeconds:0} s");
            }

            using var stream = Open(client.Client, host, security ?? PlainConnections.Instance);
            stream.ReadTimeout = stream.WriteTimeout = (int)Patience.TotalMilliseconds;
            stream.Write(StateFrames.Hello(token, name));
            using var chunks = new ChunkWriter(stream);
            write(chunks);
            chunks.Complete();
            ThrowIfRefused(stream);
        }
        catch (Exception e) when (e is SocketException or AggregateException or EndOfStreamException or InvalidDataException or OperationCanceledException)
        {
            throw new IOException($"The state channel to {host}:{port} failed: {e.GetBaseException().Message}", e);
        }
    }

    private static Stream Open(Socket socket, string host, IConnectionSecurity security)
    {
        using var patience = new CancellationTokenSource(Patience);
        return Task.Run(() => security.ConnectAsync(new SocketStream(socket), host, patience.Token), CancellationToken.None).GetAwaiter().GetResult();
    }

    private static void ThrowIfRefused(Stream stream)
    {
        var length = StateFrames.ReadLength(stream, StateFrames.LongestRefusal);
        if (length > 0)
        {
            var reason = new byte[length];
            stream.ReadExactly(reason);
            throw new StateRefusedException(Encoding.UTF8.GetString(reason));
        }
    }
}

/// <summary>The receiver has read a state, and cannot keep it.</summary>
public sealed class StateRefusedException(string reason) : IOException($"The state was refused: {reason}")
{
    /// <summary>In the receiver's words.</summary>
    public string Reason => reason;
}
