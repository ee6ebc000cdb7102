using CnnCluster.Kernels.Collectives;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>The passes of one stage over the slices that a rank takes through the layers together.</summary>
/// <param name="stage">Its place.</param>
/// <param name="step">The step.</param>
/// <param name="shards">Joins the slices where each is a shard of its own, and the ranks; null of the one slice that the step joins.</param>
/// <param name="slices">What they are made of.</param>
internal readonly unsafe ref struct StagePasses(int stage, StepContext step, ShardSum? shards, ReadOnlySpan<LaneValues> slices)
{
    private readonly int stage = stage;
    private readonly ShardSum? shards = shards;
    private readonly ReadOnlySpan<LaneValues> slices = slices;

    public StepContext Step { get; } = step;

    public int Count => slices.Length;

    /// <summary>Of all slices' blocks, one slice's behind another's; read, and changed, by the backward pass.</summary>
    public float* OutputGradients { get; init; }

    /// <summary>The same of the input's gradient, which the backward pass writes; null where nobody needs it.</summary>
    public float* InputGradients { get; init; }

    /// <summary>Floats of an output's gradient's block.</summary>
    public int OutputSize { get; init; }

    /// <summary>Floats of an input's gradient's block.</summary>
    public int InputSize { get; init; }

    public StagePass this[int slice]
    {
        get
        {
            var memory = slices[slice];
            return new StagePass(Step, memory.Samples, memory.Value(stage), memory.Value(stage + 1), memory.Kept(stage))
            {
                OutputGradient = OutputGradients is null ? null : OutputGradients + ((long)memory.FirstBlock * OutputSize),
                InputGradient = InputGradients is null ? null : InputGradients + ((long)memory.FirstBlock * InputSize),
                GradientShift = memory.GradientShift,
            };
        }
    }

    /// <summary>Joins what each slice has summed up, and the ranks: each has the sum over the whole batch then.</summary>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    public void AllReduceSum(ReadOnlySpan<Tensor> sums)
    {
        if (shards is null)
        {
            Step.Collective.AllReduceSum(sums[0]);
        }
        else
        {
            shards.AllReduceSum(sums);
        }
    }
}
