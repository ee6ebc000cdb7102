using CnnCluster.Kernels.Native;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// A rank's buffer in a segment of its own, for as long as the collective lives: the other ranks of the host read it where it
/// lies, and none of it is copied to be sent.
/// </summary>
/// <remarks>
/// Ranks tell each other their segments' names over the links that they have, and a segment's name is gone before it
/// holds anything. The rank writes its own, and maps the others' for reading.
/// </remarks>
internal sealed unsafe class BufferHome : IDisposable
{
    /// <summary>The nonce has a page to itself, so that the buffer begins with one.</summary>
    private const int Start = 4096;

    private readonly MovableMemory memory;
    private readonly SharedSegment own;
    private readonly IReadOnlyList<SharedSegment> peers;
    private int disposed;

    private BufferHome(MovableMemory memory, SharedSegment own, IReadOnlyList<SharedSegment> peers, bool isEveryones)
    {
        (this.memory, this.own, this.peers, IsEveryones) = (memory, own, peers, isEveryones);
    }

    /// <summary>Whether every rank reads every other's buffer in place.</summary>
    public bool IsEveryones { get; }

    /// <summary>Whether this lies in it.</summary>
    public bool Has<T>(Span<T> stretch)
        where T : unmanaged
    {
        fixed (T* from = stretch)
        {
            var place = (byte*)from - memory.First;
            return place >= 0 && place < memory.Bytes;
        }
    }

    /// <summary>Moves a buffer into shared memory, which every rank of the collective must call for one as long.</summary>
    /// <param name="ranks">Joins the ranks; an operation of it is under way.</param>
    /// <param name="links">Those with a rank of this host.</param>
    /// <param name="memory">The buffer; null where this rank's cannot move.</param>
    /// <returns>Null where no other rank reads it in place.</returns>
    public static BufferHome? TryShare(Collective ranks, IReadOnlyList<SharedMemoryLink> links, MovableMemory? memory)
    {
        var nonce = GC.AllocateArray<byte>(SharedSegment.NonceBytes, pinned: true);
        var offered = links.Count == 0 || memory is null ? null : SharedSegment.TryCreate(Start + memory.Bytes, nonce);
        if (offered is null) Array.Clear(nonce);
        try
        {
            var segments = Open(ranks, links, offered, nonce);
            offered?.Unlink();
            var used = links.Where((_, i) => segments[i] is not null).Count();
            if (offered is null || used == 0 || !memory!.TryMoveTo(offered.Handle, Start, offered.Memory + Start)) return null;
            for (var i = 0; i < links.Count; i++)
            {
                if (segments[i] is { } segment) links[i].ReadInPlace(memory.First, segment.Memory + Start, memory.Bytes);
            }

            var home = new BufferHome(memory, offered, [.. segments.OfType<SharedSegment>()], used == ranks.WorldSize.Value - 1);
            offered = null;
            return home;
        }
        finally
        {
            offered?.Dispose();
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1) return;
        memory.MoveBack(own.Memory + Start);
        own.Dispose();
        foreach (var peer in peers)
        {
            peer.Dispose();
        }
    }

    /// <summary>The links' segments; null where this rank or the other one cannot read the other's.</summary>
    private static SharedSegment?[] Open(Collective ranks, IReadOnlyList<SharedMemoryLink> links, SharedSegment? offered, byte[] nonce)
    {
        var nonces = Gathered(ranks, nonce);
        var segments = links.Select(link => offered is null ? null : TryOpen(offered.Size, nonces.AsSpan(link.Rank.Value * nonce.Length, nonce.Length))).ToArray();
        var read = GC.AllocateArray<byte>(ranks.WorldSize.Value, pinned: true);
        for (var i = 0; i < links.Count; i++)
        {
            if (segments[i] is not null) read[links[i].Rank.Value] = 1;
        }

        var answers = Gathered(ranks, read);
        for (var i = 0; i < links.Count; i++)
        {
            if (answers[(links[i].Rank.Value * read.Length) + ranks.Rank.Value] == 1) continue;
            segments[i]?.Dispose();
            segments[i] = null;
        }

        return segments;
    }

    private static SharedSegment? TryOpen(long size, ReadOnlySpan<byte> nonce) =>
        nonce.ContainsAnyExcept((byte)0) ? SharedSegment.TryOpen(size, nonce) : null;

    /// <summary>What every rank tells, one behind the other.</summary>
    private static byte[] Gathered(Collective ranks, byte[] own)
    {
        var all = GC.AllocateArray<byte>(own.Length * ranks.WorldSize.Value, pinned: true);
        ranks.AllGather(own.AsSpan(), [.. ranks.WorldSize.Ranks.Select(_ => own.Length)], all.AsSpan());
        return all;
    }
}
