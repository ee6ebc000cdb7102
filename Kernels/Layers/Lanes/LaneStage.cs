namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>One pass of one stage over some blocks of samples.</summary>
/// <remarks>
/// Values lie as their layouts say. Gradients have no halo: [C][H][W][16] a block. A gradient that nobody needs is null.
/// </remarks>
internal readonly unsafe ref struct StagePass(StepContext step, long samples, float* input, float* output, float* kept)
{
    public readonly StepContext Step = step;

    /// <summary>N; may be 0.</summary>
    public readonly long Samples = samples;
    public readonly float* Input = input;
    public readonly float* Output = output;

    /// <summary>
    /// What the stage's forward pass leaves for its backward pass: <see cref="LaneStage.PassSize"/>, and
    /// <see cref="LaneStage.KeptSize"/> a block.
    /// </summary>
    public readonly float* Kept = kept;

    public int Blocks => LaneLayout.BlocksOf(Samples);

    /// <summary>Read, and changed, by the backward pass.</summary>
    public float* OutputGradient { get; init; }

    /// <summary>Written by the backward pass.</summary>
    public float* InputGradient { get; init; }

    /// <summary>How many floats behind the weights' own gradients those lie that the backward pass adds to.</summary>
    public long GradientShift { get; init; }
}

/// <summary>Layers of a network that are computed as one, from value to value.</summary>
internal abstract class LaneStage : IDisposable
{
    /// <summary>Floats that a block's forward pass leaves for the backward pass besides its output.</summary>
    public virtual int KeptSize => 0;

    /// <summary>Floats that a forward pass leaves for the backward pass besides those of its blocks.</summary>
    public virtual int PassSize => 0;

    public abstract void Forward(in StagePasses passes);

    /// <summary>Adds to the weights' gradients, and writes the input's.</summary>
    public abstract void Backward(in StagePasses passes);

    public abstract void Dispose();
}

/// <summary>Layers that take their slices one after the other: to them one has nothing to do with another.</summary>
internal abstract class SliceStage : LaneStage
{
    public sealed override void Forward(in StagePasses passes)
    {
        for (var slice = 0; slice < passes.Count; slice++)
        {
            Forward(passes[slice]);
        }
    }

    public sealed override void Backward(in StagePasses passes)
    {
        for (var slice = 0; slice < passes.Count; slice++)
        {
            Backward(passes[slice]);
        }
    }

    public abstract void Forward(in StagePass pass);

    public abstract void Backward(in StagePass pass);
}
