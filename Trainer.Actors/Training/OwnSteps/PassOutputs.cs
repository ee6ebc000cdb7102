using CnnCluster.Dsl;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>The passes through a network within a step: each has its outputs in an array of its own, and the next step has the same arrays.</summary>
/// <param name="module">The network.</param>
internal sealed class PassOutputs(NetworkModule module)
{
    private readonly List<Tensor[]> arrays = [];
    private int used;

    /// <summary>A step begins: what it had before is overwritten.</summary>
    public void Begin() => used = 0;

    /// <summary>The outputs for these inputs, both in the network's order; up to the next step.</summary>
    public Tensor[] Of(IReadOnlyList<Tensor> inputs)
    {
        if (used == arrays.Count) arrays.Add(new Tensor[module.Plan.Outputs.Length]);
        var outputs = arrays[used++];
        module.RunInto(inputs, outputs);
        return outputs;
    }
}
