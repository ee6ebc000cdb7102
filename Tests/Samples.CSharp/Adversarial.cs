using CnnCluster.Kernels;
using CnnCluster.Trainer.Training;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CnnCluster.Samples;

/// <summary>Two losses against each other, each of which changes its own weights (Goodfellow and others, NIPS 2014).</summary>
public sealed class Adversarial() : OwnStep(
    new OwnLoss("critic") { Trains = static weight => weight.StartsWith("critic", StringComparison.Ordinal) },
    new OwnLoss("restorer") { Trains = static weight => !weight.StartsWith("critic", StringComparison.Ordinal) })
{
    private readonly Tensor[] losses = new Tensor[2];

    public override IReadOnlyList<Tensor> Forward(StepSlice slice)
    {
        var (real, restored) = (slice.Outputs[0].squeeze(1), slice.Outputs[1].squeeze(1));
        losses[0] = -functional.logsigmoid(real).Plus(functional.logsigmoid(-restored));
        losses[1] = -functional.logsigmoid(restored);
        return losses;
    }
}
