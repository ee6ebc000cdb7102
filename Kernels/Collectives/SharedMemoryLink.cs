using System.Diagnostics;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// A link through memory of one host: each side writes messages into slots of its own segment and reads the other's.
/// Who waits looks again for a moment, then sleeps on the connection between the two, over which the other wakes it;
/// so the end of a process is noticed at once, as its connection ends with it.
/// </summary>
internal sealed unsafe class SharedMemoryLink : PeerLink
{
    private readonly TcpPeer line;
    private readonly SharedSegment own;
    private readonly SharedSegment peers;
    private readonly SharedLayout layout;
    private readonly Rank self;
    private readonly long spinning;
    private readonly int* sentTo;
    private readonly int* takenFrom;
    private readonly int* sleepsFor;
    private readonly int* sentToMe;
    private readonly int* takenFromMe;
    private readonly int* sleepsForMe;
    private int disposed;

    /// <param name="self">This rank.</param>
    /// <param name="line">The connection with the other rank, which this link takes over.</param>
    /// <param name="own">This rank's segment, which outlives the link.</param>
    /// <param name="peers">The other rank's, which the link disposes of.</param>
    /// <param name="layout">Both segments'.</param>
    /// <param name="spinning">How long a waiting rank looks again before it sleeps.</param>
    public SharedMemoryLink(
        Rank self, TcpPeer line, SharedSegment own, SharedSegment peers, SharedLayout layout, TimeSpan spinning)
        : base(line.Rank, line.Patience)
    {
        (this.self, this.line, this.own, this.peers, this.layout) = (self, line, own, peers, layout);
        this.spinning = (long)(spinning.TotalSeconds * Stopwatch.Frequency);
        sentTo = (int*)(own.Memory + layout.SentTo(Rank));
        takenFrom = (int*)(own.Memory + layout.TakenFrom(Rank));
        sleepsFor = (int*)(own.Memory + layout.SleepsFor(Rank));
        sentToMe = (int*)(peers.Memory + layout.SentTo(self));
        takenFromMe = (int*)(peers.Memory + layout.TakenFrom(self));
        sleepsForMe = (int*)(peers.Memory + layout.SleepsFor(self));
    }

    public override void Return() => Advance(takenFrom);

    public override void AwaitSent(int unsent)
    {
        // A message is copied into its slot when it is sent.
    }

    public override void Settle()
    {
    }

    public override void Close() => line.Close();

    public override void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1) return;
        line.Dispose();
        peers.Dispose();
    }

    protected override void Send(MessageHeader header, Pieces pieces)
    {
        Await(takenFromMe, *sentTo - SharedLayout.Slots + 1, "took nothing for too long");
        var slot = own.Memory + layout.Slot(Rank, *sentTo);
        header.WriteTo(new Span<byte>(slot, MessageHeader.Size));
        pieces.CopyTo(new Span<byte>(slot + SharedLayout.HeaderRoom, pieces.Bytes));
        Advance(sentTo);
    }

    protected override void Receive(MessageHeader due, Span<byte> into)
    {
        new ReadOnlySpan<byte>((void*)Borrow(due), due.Length).CopyTo(into);
        Return();
    }

    protected override nint Borrow(MessageHeader due)
    {
        Await(sentToMe, *takenFrom + 1, "did not answer");
        var slot = peers.Memory + layout.Slot(self, *takenFrom);
        var came = MessageHeader.ReadFrom(new ReadOnlySpan<byte>(slot, MessageHeader.Size));
        if (came != due) throw Failure("did not answer", Mismatch(came, due));
        return (nint)(slot + SharedLayout.HeaderRoom);
    }

    /// <summary>Counts a word of the own segment up, and wakes the other side where it sleeps.</summary>
    private void Advance(int* word)
    {
        Volatile.Write(ref *word, *word + 1);

        // Either this side sees that the other sleeps, or that one sees the word before it does.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref *sleepsForMe) != 0) line.Wake();
    }

    /// <summary>Returns when a word of the other side has come to a count.</summary>
    private void Await(int* word, int count, string what)
    {
        if (Has(word, count)) return;
        var start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetTimestamp() - start < spinning)
        {
            if (Has(word, count)) return;
            Thread.SpinWait(8);
        }

        Sleep(word, count, what);
    }

    private void Sleep(int* word, int count, string what)
    {
        var deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        Volatile.Write(ref *sleepsFor, 1);
        Interlocked.MemoryBarrier();
        while (!Has(word, count))
        {
            var left = deadline - Environment.TickCount64;
            if (left <= 0) throw Failure(what, null);
            line.AwaitWake((int)left, what);
        }

        Volatile.Write(ref *sleepsFor, 0);
    }

    /// <remarks>Counts wrap around: their difference tells which is ahead.</remarks>
    private static bool Has(int* word, int count) => Volatile.Read(ref *word) - count >= 0;
}
