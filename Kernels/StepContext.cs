using System.Runtime.ExceptionServices;

namespace CnnCluster.Kernels;

/// <summary>What a layer may know of the step it computes, beyond its inputs.</summary>
/// <remarks>
/// Set by the training thread before each forward pass; layers only read it. Together with a layer's path it
/// names every random number the step needs, whatever the world (<see cref="CounterRandom"/>).
/// </remarks>
public sealed class StepContext(ulong seed, IBatchSum collective)
{
    private ExceptionDispatchInfo? failure;

    public ulong Seed { get; } = seed;

    /// <summary>Joins this slice with the others of the batch, for statistics of the whole (batch normalisation).</summary>
    public IBatchSum Collective { get; } = collective;

    /// <summary>True in training: dropout drops, batch normalisation uses the batch's statistics.</summary>
    public bool Training { get; set; }

    /// <summary>The number of steps committed before this one.</summary>
    public long Step { get; set; }

    /// <summary>The place in the global batch of this slice's first sample.</summary>
    public long FirstSample { get; set; }

    /// <summary>Samples in the global batch, over all workers; at least 1.</summary>
    public long GlobalBatch { get; set; } = 1;

    /// <summary>The path of the layer, or of the layers, whose forward pass runs: what its backward pass is called in a trace.</summary>
    internal string Layer { get; private set; } = "";

    /// <summary>Says whose forward pass comes next.</summary>
    public void At(string layer) => Layer = layer;

    /// <summary>Keeps what went wrong inside a backward pass, which native code runs and no exception may cross.</summary>
    internal void Fail(Exception exception) => failure ??= ExceptionDispatchInfo.Capture(exception);

    /// <summary>Throws what went wrong inside the backward pass, if anything did.</summary>
    public void ThrowIfFailed() => failure?.Throw();
}
