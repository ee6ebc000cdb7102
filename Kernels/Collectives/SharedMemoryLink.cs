namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// A link through memory of one host: each side writes messages into slots of its own segment and reads the other's.
/// Who waits looks again for a moment, then sleeps on the connection between the two, over which the other wakes it;
/// so the end of a process is noticed at once, as its connection ends with it. What lies in a rank's <see cref="BufferHome"/>
/// is not copied: its slot says where the other side reads it.
/// </summary>
internal sealed unsafe class SharedMemoryLink : PeerLink
{
    private const long InSlot = -1;
    private readonly TcpPeer line;
    private readonly SharedSegment own;
    private readonly SharedSegment peers;
    private readonly SharedLayout layout;
    private readonly Rank self;
    private readonly Rank seat;
    private readonly long lookingTicks;
    private readonly int* sentTo;
    private readonly int* takenFrom;
    private readonly int* sleepsFor;
    private readonly int* sentToMe;
    private readonly int* takenFromMe;
    private readonly int* sleepsForMe;
    private byte* home;
    private byte* peersHome;
    private long homeBytes;
    private int lastAtHome;
    private bool isReadAtHome;
    private int disposed;

    /// <param name="self">This rank.</param>
    /// <param name="line">The connection with the other rank, which this link takes over.</param>
    /// <param name="own">This rank's segment, which outlives the link.</param>
    /// <param name="peers">The other rank's, which the link disposes of.</param>
    /// <param name="layout">Both segments'.</param>
    /// <param name="lookingTicks">How long a waiting rank looks again before it sleeps, as <see cref="LookingAgain"/> counts.</param>
    public SharedMemoryLink(
        Rank self, TcpPeer line, SharedSegment own, SharedSegment peers, SharedLayout layout, long lookingTicks)
        : base(line.Rank, line.Patience)
    {
        (this.self, this.line, this.own, this.peers, this.layout) = (self, line, own, peers, layout);
        seat = Rank;
        this.lookingTicks = lookingTicks;
        sentTo = (int*)(own.Memory + layout.SentTo(seat));
        takenFrom = (int*)(own.Memory + layout.TakenFrom(seat));
        sleepsFor = (int*)(own.Memory + layout.SleepsFor(seat));
        sentToMe = (int*)(peers.Memory + layout.SentTo(self));
        takenFromMe = (int*)(peers.Memory + layout.TakenFrom(self));
        sleepsForMe = (int*)(peers.Memory + layout.SleepsFor(self));
    }

    /// <summary>From now on, messages from a buffer of this rank's are read there, and the other rank's likewise.</summary>
    /// <param name="own">This rank's buffer.</param>
    /// <param name="others">The other rank's, as this process sees it.</param>
    /// <param name="bytes">The length of each.</param>
    public void ReadInPlace(byte* own, byte* others, long bytes)
    {
        home = own;
        peersHome = others;
        homeBytes = bytes;
    }

    /// <remarks>Its place in the segments stays.</remarks>
    public override void Renumber(Rank rank)
    {
        base.Renumber(rank);
        line.Renumber(rank);
    }

    public override void Return() => Advance(takenFrom);

    /// <remarks>A message is copied into its slot when it is sent, but from this rank's home.</remarks>
    public override void AwaitSent(int unsent)
    {
        if (!isReadAtHome) return;
        var last = *sentTo - unsent;
        Await(takenFromMe, last - lastAtHome < 0 ? last : lastAtHome, "took nothing for too long");
        isReadAtHome = last - lastAtHome < 0;
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

    protected override void Send(MessageHeader header, Pieces pieces, bool mayStay)
    {
        Await(takenFromMe, *sentTo - SharedLayout.Slots + 1, "took nothing for too long");
        var slot = own.Memory + layout.Slot(seat, *sentTo);
        header.WriteTo(new Span<byte>(slot, MessageHeader.Size));
        var place = mayStay ? PlaceAtHome(pieces) : InSlot;
        *(long*)(slot + SharedLayout.PlaceAt) = place;
        if (place == InSlot) pieces.CopyTo(new Span<byte>(slot + SharedLayout.HeaderRoom, pieces.Bytes));
        else (lastAtHome, isReadAtHome) = (*sentTo + 1, true);
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
        var place = *(long*)(slot + SharedLayout.PlaceAt);
        if (place == InSlot) return (nint)(slot + SharedLayout.HeaderRoom);
        if (place < 0 || place > homeBytes - due.Length) throw Failure("sent nothing that can be read", null);
        return (nint)(peersHome + place);
    }

    /// <summary>How far behind the home's beginning a message lies.</summary>
    private long PlaceAtHome(Pieces pieces)
    {
        var place = (byte*)pieces.First - home;
        return home is not null && pieces.Count == 1 && place >= 0 && place <= homeBytes - pieces.Length ? place : InSlot;
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
        var looking = new LookingAgain(lookingTicks);
        while (looking.Again())
        {
            if (Has(word, count)) return;
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
