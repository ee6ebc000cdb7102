namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Messages to and from one other rank, in order, each at most a block long. Both sides must expect the same ones:
/// a message says which operation and which buffer it is part of, so that ranks which differ notice at the first.
/// </summary>
internal abstract class PeerLink(Rank rank, TimeSpan patience) : IDisposable
{
    private int sent;
    private int received;

    /// <summary>The other rank, in the collective that the link is part of.</summary>
    public Rank Rank { get; private set; } = rank;

    /// <summary>How long one message may be waited for.</summary>
    public TimeSpan Patience { get; } = patience;

    /// <summary>
    /// Sends memory that lies in one or several pieces. It must stay as it is until <see cref="AwaitSent"/> says so, or
    /// <see cref="Settle"/> returns.
    /// </summary>
    /// <param name="operation">The operation, and its buffer's length.</param>
    /// <param name="pieces">What is sent, in memory that does not move.</param>
    public void Send(Operation operation, Pieces pieces) =>
        Send(new MessageHeader(sent++, pieces.Bytes, operation), pieces, mayStay: true);

    /// <summary>The same where the sender may write to that memory as soon as <see cref="AwaitSent"/> says so, whatever the other rank waits for.</summary>
    public void SendAway(Operation operation, Pieces pieces) =>
        Send(new MessageHeader(sent++, pieces.Bytes, operation), pieces, mayStay: false);

    /// <summary>Receives the next message, which must be part of this operation and as long as the destination.</summary>
    public void Receive(Operation operation, Span<byte> into) =>
        Receive(new MessageHeader(received++, into.Length, operation), into);

    /// <summary>Receives the next message where it lies, until <see cref="Return"/>.</summary>
    /// <returns>Its first byte, as well aligned as any element needs.</returns>
    public nint Borrow(Operation operation, int length) =>
        Borrow(new MessageHeader(received++, length, operation));

    /// <summary>Counts the other rank otherwise: the link becomes part of a collective of some of the mesh's ranks.</summary>
    public virtual void Renumber(Rank rank) => Rank = rank;

    /// <summary>Ends the use of what was borrowed.</summary>
    public abstract void Return();

    /// <summary>Returns when at most so many messages may still be sent from where they lie.</summary>
    public abstract void AwaitSent(int unsent);

    /// <summary>After a failure: returns when no memory of an operation is sent from any more.</summary>
    public abstract void Settle();

    /// <summary>Cuts the link under whatever is going on; the other side notices.</summary>
    public abstract void Close();

    public abstract void Dispose();

    /// <param name="header">What stands in front of the message.</param>
    /// <param name="pieces">The message.</param>
    /// <param name="mayStay">Whether the other rank may read it where it lies, which it does in its own time.</param>
    protected abstract void Send(MessageHeader header, Pieces pieces, bool mayStay);

    protected abstract void Receive(MessageHeader due, Span<byte> into);

    protected abstract nint Borrow(MessageHeader due);

    protected static IOException Mismatch(MessageHeader came, MessageHeader due) =>
        new($"the ranks do not take part in the same operation: {came} came where {due} was due");

    protected CollectiveException Failure(string what, Exception? cause) =>
        new($"rank {Rank} {what}{(cause is null ? "" : $": {cause.Message}")}", Rank, cause);
}
