using CnnCluster.Kernels;
using CnnCluster.Trainer.Training;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CnnCluster.Samples;

/// <summary>Each sample's gradient is cut to a norm before they are summed (Abadi and others, CCS 2016).</summary>
public sealed class PerSampleClipping(double norm) : OwnStep(new OwnLoss("label"))
{
    public override IReadOnlyList<Tensor> Forward(StepSlice slice) =>
        [functional.cross_entropy(slice.Outputs[0], slice.Targets[0], reduction: Reduction.None)];

    public override void Backward(StepSlice slice, IReadOnlyList<Tensor> losses)
    {
        for (var sample = 0; sample < slice.Count; sample++)
        {
            using var scope = NewDisposeScope();
            var gradients = autograd.grad([losses[0][sample]], [.. slice.Weights.Values], retain_graph: true);
            var length = Math.Sqrt(gradients.Sum(static g => g.Squared().sum(ScalarType.Float64).item<double>()));
            using var factor = Math.Min(1, norm / length).ToScalar();
            foreach (var (name, gradient) in slice.Weights.Keys.Zip(gradients))
            {
                slice.Gradients[name].add_(gradient, alpha: factor);
            }
        }
    }
}
