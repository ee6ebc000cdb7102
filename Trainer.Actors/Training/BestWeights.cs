using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>A replica's best weights and buffers so far, kept beside those that are trained.</summary>
internal sealed class BestWeights(Replica replica) : IDisposable
{
    private Tensor? parameters;
    private Tensor? buffers;

    // The run is ending: the replica has the best ones, and what is kept as the best are the last ones.
    private bool isInPlace;

    /// <summary>The best so far, with the replica's own in place of none, for another rank's to be copied into.</summary>
    public IReadOnlyList<Tensor> Tensors()
    {
        if (parameters is null) Keep();
        return [parameters!, buffers!];
    }

    /// <summary>The replica's are the best so far.</summary>
    public void Keep()
    {
        Copy(ref parameters, replica.Arena.Parameters);
        Copy(ref buffers, replica.Buffers.Current);
    }

    /// <summary>Those of a file are the best so far, of a run that goes on.</summary>
    public void Load(string path)
    {
        using var current = replica.Arena.Parameters.clone();
        using var currentBuffers = replica.Buffers.Current.clone();
        ReplicaState.LoadWeights(replica, path);
        Keep();
        replica.Arena.Parameters.copy_(current);
        replica.Buffers.Current.copy_(currentBuffers);
    }

    /// <summary>Gives the replica the best ones, if there are any, until <see cref="TakeBack"/>.</summary>
    public void Restore()
    {
        if (!isInPlace) Swap();
    }

    /// <summary>Gives the replica its last ones again.</summary>
    public void TakeBack()
    {
        if (isInPlace) Swap();
    }

    /// <summary>Reads the replica with the best ones in place.</summary>
    public T With<T>(Func<T> read)
    {
        Swap();
        try
        {
            return read();
        }
        finally
        {
            Swap();
        }
    }

    public void Dispose()
    {
        parameters?.Dispose();
        buffers?.Dispose();
    }

    private void Swap()
    {
        if (parameters is null || buffers is null) return;
        Swap(replica.Arena.Parameters, parameters);
        Swap(replica.Buffers.Current, buffers);
        isInPlace = !isInPlace;
    }

    private static void Swap(Tensor a, Tensor b)
    {
        using var before = a.clone();
        a.copy_(b);
        b.copy_(before);
    }

    private static void Copy(ref Tensor? copy, Tensor current)
    {
        copy ??= empty_like(current).DetachFromDisposeScope();
        copy.copy_(current);
    }
}
