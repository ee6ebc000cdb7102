using CnnCluster.Dsl;
using CnnCluster.Trainer.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>Brings batches where a network computes, in its shapes and its type; nothing is copied that is there already.</summary>
/// <param name="network">Whose inputs they are.</param>
/// <param name="type">float32 or float64.</param>
/// <param name="device">Where to.</param>
internal sealed class BatchPlacement(NetworkPlan network, ScalarType type, Device device)
{
    /// <summary>(N, C, sides…) for each input of the network.</summary>
    public Tensor[] Inputs(Batch batch) => [.. batch.Inputs.Zip(network.Inputs, (pixels, input) => Input(pixels, input.Shape))];

    /// <summary>The data set's targets: classes as int64 (N), numbers (N, count).</summary>
    public Tensor[] Targets(Batch batch) => [.. batch.Targets.Select(Target)];

    private Tensor Input(Tensor pixels, Shape shape) =>
        pixels
            .reshape([pixels.size(0), shape.Channels, .. shape.Sides.Select(static side => (long)side!.Value)])
            .to(type, device);

    private Tensor Target(Tensor values) =>
        values.dtype == ScalarType.Int64 ? values.to(device) : values.to(type, device);
}
