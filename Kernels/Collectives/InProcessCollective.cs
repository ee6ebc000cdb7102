using System.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>A collective between threads of one process, which read and write each other's buffers directly.</summary>
/// <remarks>Rank r alone reads and writes chunk r of every buffer, so nothing is copied and no chunk is locked.</remarks>
internal sealed class InProcessCollective(InProcessGroup group, Rank rank) : ICollective
{
    public Rank Rank => rank;

    public WorldSize WorldSize => group.World;

    public void AllReduceSum(Tensor buffer) => HostStaging.Run(buffer, Reduce<float>, Reduce<double>);

    public void Broadcast(Tensor buffer, Rank root) => HostStaging.Run(buffer, b => Copy<float>(b, root), b => Copy<double>(b, root));

    public void Barrier() => group.Meet();

    public void Abort(string reason) => group.Fail(reason);

    public void Dispose()
    {
    }

    private void Reduce<T>(Tensor buffer)
        where T : unmanaged, INumber<T>
    {
        var length = Publish<T>(buffer);
        group.Work(() => SumChunk<T>(length));
        group.Meet();
    }

    private void SumChunk<T>(int length)
        where T : unmanaged, INumber<T>
    {
        var (start, count) = Chunks.Of(rank.Value, WorldSize.Value, length);
        var own = Of<T>(rank.Value, length).Slice(start, count);
        SumTree.Sum(WorldSize.Value, leaf => Of<T>(leaf, length).Slice(start, count), own);
        for (var other = 0; other < WorldSize.Value; other++)
        {
            if (other != rank.Value)
            {
                own.CopyTo(Of<T>(other, length).Slice(start, count));
            }
        }
    }

    private void Copy<T>(Tensor buffer, Rank root)
        where T : unmanaged
    {
        var length = Publish<T>(buffer);
        if (rank != root)
        {
            group.Work(() => Of<T>(root.Value, length).CopyTo(Of<T>(rank.Value, length)));
        }

        group.Meet();
    }

    /// <summary>Shows the others this rank's buffer and waits for theirs.</summary>
    private unsafe int Publish<T>(Tensor buffer)
        where T : unmanaged
    {
        var memory = TensorMemory.Span<T>(buffer);
        fixed (T* first = memory)
        {
            // Native memory, which no garbage collector moves.
            group.Buffers[rank.Value] = (nint)first;
        }

        var bytes = (long)memory.Length * sizeof(T);
        group.Lengths[rank.Value] = bytes;
        group.Meet();
        if (Array.Exists(group.Lengths, other => other != bytes))
        {
            group.Fail($"the ranks entered with buffers of different lengths: {string.Join(", ", group.Lengths)} bytes");
            group.ThrowIfFailed();
        }

        return memory.Length;
    }

    private unsafe Span<T> Of<T>(int other, int length)
        where T : unmanaged => new((void*)group.Buffers[other], length);
}
