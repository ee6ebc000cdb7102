using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// One peer's connection. A message carries its number and its length; long ones are sent by a thread of their own,
/// so that two ranks that send to each other never wait for each other.
/// </summary>
internal sealed class TcpPeer : IDisposable
{
    private const int HeaderBytes = 12;

    /// <summary>So few bytes fit into the socket's buffers whatever the peer does, and are sent at once.</summary>
    private const int SentAtOnce = 8 * 1024;

    private readonly Socket socket;
    private readonly BlockingCollection<(int Number, nint Start, int Length)> outbox = [];
    private readonly ManualResetEventSlim idle = new(true);
    private readonly Thread sender;
    private readonly TimeSpan patience;
    private int sent;
    private int received;
    private volatile Exception? sendFailure;

    public TcpPeer(Rank rank, Socket socket, TimeSpan patience)
    {
        Rank = rank;
        this.socket = socket;
        this.patience = patience;
        socket.NoDelay = true;
        socket.SendTimeout = socket.ReceiveTimeout = (int)patience.TotalMilliseconds;
        sender = new Thread(SendFromOutbox) { IsBackground = true, Name = $"to rank {rank}" };
        sender.Start();
    }

    public Rank Rank { get; }

    /// <summary>Sends bytes in native memory, which must stay as they are until <see cref="WaitUntilSent"/> returns.</summary>
    public unsafe void Send(ReadOnlySpan<byte> message)
    {
        WaitUntilSent();
        if (message.Length <= SentAtOnce)
        {
            Guarded(message, "could not be sent to", static (peer, bytes) => peer.Write(peer.sent++, bytes));
            return;
        }

        fixed (byte* start = message)
        {
            idle.Reset();
            outbox.Add((sent++, (nint)start, message.Length));
        }
    }

    /// <summary>Returns when everything has left this process.</summary>
    public void WaitUntilSent()
    {
        if (!idle.Wait(patience))
        {
            throw Failure("took nothing for too long", null);
        }

        if (sendFailure is { } e)
        {
            throw Failure("could not be sent to", e);
        }
    }

    /// <summary>Receives the next message, which must have exactly this length.</summary>
    public unsafe void Receive(Span<byte> message)
    {
        fixed (byte* start = message)
        {
            Guarded(new ReadOnlySpan<byte>(start, message.Length), "did not answer", static (peer, bytes) =>
            {
                fixed (byte* destination = bytes)
                {
                    peer.Read(new Span<byte>(destination, bytes.Length));
                }
            });
        }
    }

    /// <summary>Closes the connection under whatever is going on.</summary>
    public void Close() => socket.Close();

    public void Dispose()
    {
        outbox.CompleteAdding();
        socket.Close();
        if (sender.Join(TimeSpan.FromSeconds(5)))
        {
            outbox.Dispose();
            idle.Dispose();
        }
    }

    private delegate void Transfer(TcpPeer peer, ReadOnlySpan<byte> bytes);

    private void Guarded(ReadOnlySpan<byte> bytes, string what, Transfer transfer)
    {
        try
        {
            transfer(this, bytes);
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            throw Failure(what, e);
        }
    }

    private CollectiveException Failure(string what, Exception? cause) =>
        new($"rank {Rank} {what}{(cause is null ? "" : $": {cause.Message}")}", Rank, cause);

    private unsafe void SendFromOutbox()
    {
        foreach (var (number, start, length) in outbox.GetConsumingEnumerable())
        {
            try
            {
                Write(number, new ReadOnlySpan<byte>((void*)start, length));
            }
            catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
            {
                sendFailure = e;
            }

            idle.Set();
        }
    }

    private void Write(int number, ReadOnlySpan<byte> message)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        BinaryPrimitives.WriteInt32LittleEndian(header, number);
        BinaryPrimitives.WriteInt64LittleEndian(header[4..], message.Length);
        WriteExactly(header);
        WriteExactly(message);
    }

    private void WriteExactly(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[socket.Send(bytes)..];
        }
    }

    private void Read(Span<byte> message)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        ReadExactly(header);
        var (number, length) = (BinaryPrimitives.ReadInt32LittleEndian(header), BinaryPrimitives.ReadInt64LittleEndian(header[4..]));
        if (number != received++ || length != message.Length)
        {
            throw new IOException($"message {number} of {length} bytes came where {received - 1} of {message.Length} bytes was due");
        }

        ReadExactly(message);
    }

    private void ReadExactly(Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var count = socket.Receive(bytes);
            if (count == 0)
            {
                throw new IOException("it closed its connection");
            }

            bytes = bytes[count..];
        }
    }
}
