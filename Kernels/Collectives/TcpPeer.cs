using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// One peer's connection. A message carries its number, its length and that of the whole buffer it is part of, so that
/// ranks which entered with different buffers notice at the first message; long ones are sent by a thread of their own,
/// so that two ranks that send to each other never wait for each other.
/// </summary>
internal sealed class TcpPeer : IDisposable
{
    private const int HeaderBytes = 16;

    /// <summary>So few bytes fit into the socket's buffers whatever the peer does, and are sent at once.</summary>
    private const int SentAtOnce = 8 * 1024;

    /// <summary>How long a failed operation lets what is under way to sound peers arrive.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(200);

    private readonly Socket socket;
    private readonly BlockingCollection<(Header Header, nint Start)> outbox = [];
    private readonly ManualResetEventSlim idle = new(true);
    private readonly Thread sender;
    private readonly TimeSpan patience;
    private int disposed;
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

    /// <summary>
    /// Sends bytes in native memory, which must stay as they are until <see cref="WaitUntilSent"/> or
    /// <see cref="Settle"/> returns.
    /// </summary>
    /// <param name="message">Part of the operation's buffer.</param>
    /// <param name="whole">The buffer's length in bytes.</param>
    public unsafe void Send(ReadOnlySpan<byte> message, long whole)
    {
        WaitUntilSent();
        var header = new Header(sent++, message.Length, whole);
        fixed (byte* start = message)
        {
            if (message.Length > SentAtOnce)
            {
                idle.Reset();
                outbox.Add((header, (nint)start));
                return;
            }

            var memory = (nint)start;
            Guarded("could not be sent to", () => Write(header, memory));
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

    /// <summary>Receives the next message, which must have exactly this length and be part of a buffer of that one.</summary>
    public unsafe void Receive(Span<byte> message, long whole)
    {
        var header = new Header(received++, message.Length, whole);
        fixed (byte* start = message)
        {
            var memory = (nint)start;
            Guarded("did not answer", () => Read(header, memory));
        }
    }

    /// <summary>
    /// After a failure: returns when no memory is being sent from any more. What the peer does not take quickly is cut
    /// off with the connection.
    /// </summary>
    public void Settle()
    {
        if (!idle.Wait(Grace))
        {
            Close();
            idle.Wait();
        }
    }

    /// <summary>Closes the connection under whatever is going on.</summary>
    public void Close() => socket.Close();

    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1)
        {
            return;
        }

        outbox.CompleteAdding();
        socket.Close();
        if (sender.Join(TimeSpan.FromSeconds(5)))
        {
            outbox.Dispose();
            idle.Dispose();
        }
    }

    private void Guarded(string what, Action transfer)
    {
        try
        {
            transfer();
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            throw Failure(what, e);
        }
    }

    private CollectiveException Failure(string what, Exception? cause) =>
        new($"rank {Rank} {what}{(cause is null ? "" : $": {cause.Message}")}", Rank, cause);

    private void SendFromOutbox()
    {
        foreach (var (header, start) in outbox.GetConsumingEnumerable())
        {
            try
            {
                Write(header, start);
            }
            catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
            {
                sendFailure = e;
            }

            idle.Set();
        }
    }

    private unsafe void Write(Header header, nint message)
    {
        Span<byte> bytes = stackalloc byte[HeaderBytes];
        header.WriteTo(bytes);
        WriteExactly(bytes);
        WriteExactly(new ReadOnlySpan<byte>((void*)message, header.Length));
    }

    private void WriteExactly(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[socket.Send(bytes)..];
        }
    }

    private unsafe void Read(Header due, nint message)
    {
        Span<byte> bytes = stackalloc byte[HeaderBytes];
        ReadExactly(bytes);
        var came = Header.ReadFrom(bytes);
        if (came != due)
        {
            throw new IOException($"the ranks do not take part in the same operation: {came} came where {due} was due");
        }

        ReadExactly(new Span<byte>((void*)message, due.Length));
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

    private readonly record struct Header(int Number, int Length, long Whole)
    {
        public override string ToString() => $"message {Number} with {Length} of a buffer's {Whole} bytes";

        public static Header ReadFrom(ReadOnlySpan<byte> bytes) => new(
            BinaryPrimitives.ReadInt32LittleEndian(bytes),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]));

        public void WriteTo(Span<byte> bytes)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes, Number);
            BinaryPrimitives.WriteInt32LittleEndian(bytes[4..], Length);
            BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], Whole);
        }
    }
}
