using CnnCluster.Trainer.Training;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CnnCluster.Samples;

/// <summary>The reduced gradient of each kernel without its mean over the inputs of each output (Yong and others, ECCV 2020).</summary>
public sealed class Centralised() : OwnStep(new OwnLoss("label"))
{
    public override IReadOnlyList<Tensor> Forward(StepSlice slice) =>
        [functional.cross_entropy(slice.Outputs[0], slice.Targets[0], reduction: Reduction.None)];

    public override void Reduced(IReadOnlyDictionary<string, Tensor> gradients)
    {
        foreach (var (name, gradient) in gradients.Where(static g => g.Key.EndsWith("/kernel", StringComparison.Ordinal)))
        {
            var axes = Enumerable.Range(1, (int)gradient.dim() - 1).Select(static axis => (long)axis).ToArray();
            gradient.sub_(gradient.mean(axes, keepdim: true));
        }
    }
}
