namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>What a forward pass computed, until its backward pass has read it.</summary>
internal sealed unsafe class LaneValues : IDisposable
{
    private LaneMemory?[] values = [];
    private LaneMemory?[] kept = [];

    public long Samples { get; private set; }

    public int Blocks => LaneLayout.BlocksOf(Samples);

    /// <summary>Blocks of the slices that go back in front of it.</summary>
    public int FirstBlock { get; set; }

    /// <summary>How many floats behind the weights' own gradients its own lie.</summary>
    public long GradientShift { get; set; }

    public float* Value(int i) => values[i]!.Pointer;

    public float* Kept(int i) => kept[i]!.Pointer;

    /// <summary>Sees to memory for so many samples; halos are zeros, whatever is left of earlier passes elsewhere.</summary>
    public void Reserve(IReadOnlyList<LaneLayout> layouts, IReadOnlyList<LaneStage> stages, long samples)
    {
        Samples = samples;
        if (values.Length == 0)
        {
            values = new LaneMemory?[layouts.Count];
            kept = new LaneMemory?[stages.Count];
        }

        for (var i = 0; i < layouts.Count; i++)
        {
            values[i] = LaneMemory.AtLeast(values[i], (long)Blocks * layouts[i].BlockSize);
        }

        for (var i = 0; i < stages.Count; i++)
        {
            kept[i] = LaneMemory.AtLeast(kept[i], stages[i].PassSize + ((long)Blocks * stages[i].KeptSize));
        }
    }

    public void Dispose()
    {
        foreach (var memory in values.Concat(kept))
        {
            memory?.Dispose();
        }
    }
}
