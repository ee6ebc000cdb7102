using static TorchSharp.torch;

namespace CnnCluster.Kernels.Arena;

/// <summary>
/// What layers change besides parameters, such as running statistics, double-buffered: a forward pass reads the
/// current values and writes the next ones, which count once the step commits. A step that is given up leaves no trace.
/// </summary>
public sealed class BufferArena(IReadOnlyList<ArenaSegment> segments, ScalarType type, Device device) : IDisposable
{
    private readonly FlatBuffer current = new(segments, type, device);
    private readonly FlatBuffer next = new(segments, type, device);

    public IReadOnlyList<ArenaSegment> Segments => current.Segments;

    public Tensor Current => current.Flat;

    public IReadOnlyList<Tensor> CurrentViews => current.Views;

    public IReadOnlyList<Tensor> NextViews => next.Views;

    /// <summary>Starts a step from the current values.</summary>
    public void BeginStep() => next.Flat.copy_(current.Flat);

    /// <summary>Makes the step's values the current ones.</summary>
    public void Commit() => current.Flat.copy_(next.Flat);

    public void Dispose()
    {
        next.Dispose();
        current.Dispose();
    }
}
