using CnnCluster.Dsl;
using CnnCluster.Trainer.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>Brings batches where a network computes, in its shapes and its type; nothing is copied that is there already.</summary>
/// <remarks>What it gives lies in arrays of its own, up to the next batch. One thread at a time.</remarks>
/// <param name="network">Whose inputs they are.</param>
/// <param name="type">float32 or float64.</param>
/// <param name="device">Where to.</param>
internal sealed class BatchPlacement(NetworkPlan network, ScalarType type, Device device)
{
    private readonly long[][] shapes = [.. network.Inputs.Select(static input => ShapeOf(input.Shape))];
    private readonly Tensor[] inputs = new Tensor[network.Inputs.Length];
    private Tensor[] targets = [];

    /// <summary>(N, C, sides…) for each input of the network.</summary>
    public IReadOnlyList<Tensor> Inputs(Batch batch)
    {
        for (var i = 0; i < inputs.Length; i++)
        {
            shapes[i][0] = batch.Count;
            inputs[i] = Placed(batch.Inputs[i].reshape(shapes[i]), type);
        }

        return inputs;
    }

    /// <summary>The data set's targets: classes as int64 (N), numbers (N, count).</summary>
    public IReadOnlyList<Tensor> Targets(Batch batch)
    {
        if (targets.Length != batch.Targets.Count) targets = new Tensor[batch.Targets.Count];
        for (var i = 0; i < targets.Length; i++)
        {
            var values = batch.Targets[i];
            targets[i] = Placed(values, values.dtype == ScalarType.Int64 ? ScalarType.Int64 : type);
        }

        return targets;
    }

    /// <summary>N is still to be written.</summary>
    private static long[] ShapeOf(Shape shape) => [0, shape.Channels, .. shape.Sides.Select(static side => (long)side!.Value)];

    private Tensor Placed(Tensor values, ScalarType wanted) =>
        values.dtype == wanted && values.device_type == DeviceType.CPU && device.type == DeviceType.CPU ? values : values.to(wanted, device);
}
