using CnnCluster.Kernels;
using CnnCluster.Trainer.Training;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CnnCluster.Samples;

/// <summary>
/// Two losses and two passes through the network: the classes are to be right, and the same for an image with noise
/// (Sajjadi, Javanmardi, Tasdizen, NIPS 2016).
/// </summary>
public sealed class Consistency() : OwnStep(new OwnLoss("label"), new OwnLoss("consistency") { Weight = 0.5 })
{
    public override IReadOnlyList<Tensor> Forward(StepSlice slice)
    {
        var image = slice.Inputs[0];
        var clean = slice.Outputs[0];
        var noisy = slice.Run(image.add(slice.Normal("noise", [.. image.shape.Skip(1)]), alpha: Scalars.Of(0.1)))[0];
        return
        [
            functional.cross_entropy(clean, slice.Targets[0], reduction: Reduction.None),
            (clean.softmax(1) - noisy.softmax(1)).Squared().sum(1),
        ];
    }
}
