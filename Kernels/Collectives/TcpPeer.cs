using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// One peer's connection. Short messages are sent at once, header and all in one write; long ones from where they lie while
/// the rank waits for something, or, through a stream that encrypts, by a thread of the connection's own: two ranks that send
/// to each other never wait for each other.
/// </summary>
internal sealed class TcpPeer : PeerLink
{
    /// <summary>So few bytes fit into the socket's buffers whatever the peer does.</summary>
    private const int SentAtOnce = 8 * 1024;

    private readonly Socket socket;
    private readonly Stream stream;
    private readonly TcpPump? pump;
    private readonly TcpOutbox outbox;
    private readonly byte[] sending = new byte[MessageHeader.Size + SentAtOnce];
    private readonly byte[] receiving = new byte[MessageHeader.Size + SentAtOnce];
    private readonly NativeScratch borrowed = new();
    private int disposed;

    /// <param name="rank">The other rank.</param>
    /// <param name="seat">The connection with it, which this peer takes over.</param>
    /// <param name="patience">How long one message may be waited for.</param>
    /// <param name="ownPump">This rank's.</param>
    public TcpPeer(Rank rank, MeshSeat seat, TimeSpan patience, TcpPump ownPump)
        : base(rank, patience)
    {
        (socket, stream) = (seat.Socket, seat.Stream);
        stream.ReadTimeout = stream.WriteTimeout = (int)patience.TotalMilliseconds;
        pump = stream is SocketStream ? ownPump : null;
        outbox = pump is null ? new ThreadOutbox(stream, $"to rank {rank}") : new PumpedOutbox(socket, pump);
    }

    /// <summary>Ends the other side's <see cref="AwaitWake"/>, where both send nothing else.</summary>
    /// <remarks>A connection that is gone is for the one to notice who waits for something.</remarks>
    public void Wake()
    {
        try
        {
            stream.Write([1]);
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            Close();
        }
    }

    /// <summary>Sleeps until the other side calls <see cref="Wake"/>, or has done so since.</summary>
    /// <param name="milliseconds">How long at most.</param>
    /// <param name="what">What the other side has failed to do then, or when the connection has ended.</param>
    /// <exception cref="CollectiveException">It did not, or the connection has ended.</exception>
    public void AwaitWake(int milliseconds, string what) => Guarded(
        what,
        static (peer, limit) =>
        {
            peer.stream.ReadTimeout = limit;
            if (peer.stream.Read(peer.receiving) == 0) throw new IOException("it closed its connection");
        },
        milliseconds);

    public override void Return()
    {
    }

    public override void AwaitSent(int unsent)
    {
        if (!outbox.AwaitSent(unsent, Patience)) throw Failure("took nothing for too long", null);
        if (outbox.Failure is { } e) throw Failure("could not be sent to", e);
    }

    public override void Settle() => outbox.Settle(Close);

    public override void Close()
    {
        try
        {
            // Wakes whoever waits on the socket, here as well as on the other side.
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is closed already, or was never connected.
        }

        socket.Close();
    }

    public override void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1) return;
        Close();
        outbox.Dispose();
        stream.Dispose();
        borrowed.Dispose();
    }

    protected override void Send(MessageHeader header, Pieces pieces, bool mayStay)
    {
        if (header.Length > SentAtOnce || !outbox.IsEmpty)
        {
            outbox.Add(header, pieces);
            return;
        }

        header.WriteTo(sending);
        pieces.CopyTo(sending.AsSpan(MessageHeader.Size));
        Guarded("could not be sent to", static (peer, length) => peer.stream.Write(peer.sending, 0, length), MessageHeader.Size + header.Length);
    }

    protected override unsafe void Receive(MessageHeader due, Span<byte> into)
    {
        fixed (byte* first = into)
        {
            ReadTo((nint)first, due);
        }
    }

    protected override nint Borrow(MessageHeader due)
    {
        var memory = borrowed.Take(due.Length);
        ReadTo(memory, due);
        return memory;
    }

    private void ReadTo(nint first, MessageHeader due) =>
        Guarded("did not answer", static (peer, to) => peer.Read(to.due, to.first), (due, first));

    private void Guarded<TState>(string what, Action<TcpPeer, TState> transfer, TState state)
    {
        try
        {
            transfer(this, state);
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            throw Failure(what, e);
        }
    }

    private unsafe void Read(MessageHeader due, nint first)
    {
        // What follows is asked for together with the header where it is short: a call less.
        var early = due.Length <= SentAtOnce ? due.Length : 0;
        var count = ReadAtLeast(receiving.AsSpan(0, MessageHeader.Size + early), MessageHeader.Size);
        if (count < MessageHeader.Size) throw new IOException("it closed its connection");
        var came = MessageHeader.ReadFrom(receiving);
        if (came != due) throw Mismatch(came, due);
        var message = new Span<byte>((void*)first, due.Length);
        receiving.AsSpan(MessageHeader.Size, count - MessageHeader.Size).CopyTo(message);
        ReadRest(message[(count - MessageHeader.Size)..]);
    }

    private void ReadRest(Span<byte> rest)
    {
        if (ReadAtLeast(rest, rest.Length) < rest.Length) throw new IOException("it closed its connection");
    }

    private int ReadAtLeast(Span<byte> into, int least) =>
        pump?.Receive(socket, into, least, Patience) ?? stream.ReadAtLeast(into, least, throwOnEndOfStream: false);
}
