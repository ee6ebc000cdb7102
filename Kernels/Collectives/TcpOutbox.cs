namespace CnnCluster.Kernels.Collectives;

/// <summary>Messages on their way into a connection, from where they lie.</summary>
internal abstract class TcpOutbox : IDisposable
{
    /// <summary>So much of a message is copied behind its header: a write less, and the other side is not woken for a header alone.</summary>
    private const int SentWithHeader = 8 * 1024;

    private readonly byte[] start = new byte[MessageHeader.Size + SentWithHeader];

    /// <summary>Why nothing is sent any more.</summary>
    public Exception? Failure { get; private protected set; }

    public abstract bool IsEmpty { get; }

    /// <summary>How long a failed operation lets what is under way to a sound peer arrive.</summary>
    private protected static TimeSpan Grace { get; } = TimeSpan.FromMilliseconds(200);

    public abstract void Add(MessageHeader header, Pieces pieces);

    /// <summary>Returns when at most so many messages are unsent, or nothing is sent any more.</summary>
    /// <returns>False if that took longer than the patience.</returns>
    public abstract bool AwaitSent(int most, TimeSpan patience);

    /// <summary>Returns when nothing is sent any more; what the peer does not take quickly is cut off with the connection.</summary>
    /// <param name="cut">Ends the connection.</param>
    public abstract void Settle(Action cut);

    public abstract void Dispose();

    /// <summary>What <see cref="Start"/> gave last, and whatever lies behind it.</summary>
    private protected ReadOnlySpan<byte> Begun => start;

    /// <summary>A message's header with the beginning of its first piece, until the next one's.</summary>
    private protected ReadOnlySpan<byte> Start(MessageHeader header, Pieces pieces)
    {
        header.WriteTo(start);
        var early = Math.Min(pieces.Length, SentWithHeader);
        if (pieces.Count > 0) pieces[0][..early].CopyTo(start.AsSpan(MessageHeader.Size));
        return start.AsSpan(0, MessageHeader.Size + early);
    }
}
