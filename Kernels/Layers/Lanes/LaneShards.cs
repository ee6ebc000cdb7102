using CnnCluster.Kernels.Collectives;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>
/// Takes shards through a lane network together, layer by layer: their statistics meet within the layers, and each has a
/// gradient of its own (docs/adr/0015).
/// </summary>
/// <remarks>Without autograd: who calls says what the outputs' gradients are. One thread at a time.</remarks>
/// <param name="network">What computes; a shard's bits are those that a pass of its own would give it.</param>
/// <param name="shards">How many.</param>
/// <param name="sums">Joins them, and the ranks.</param>
public sealed class LaneShards(LaneNetwork network, int shards, ShardSum sums) : IDisposable
{
    private readonly LaneValues[] slices = [.. Enumerable.Range(0, shards).Select(static _ => new LaneValues())];

    /// <summary>Computes the shards' outputs, as <see cref="LaneNetwork.Run"/> does; they belong to the caller's scope.</summary>
    /// <param name="samples">Of each shard (N, C, H, W), N may be 0.</param>
    /// <param name="step">Whether the network is trained, and how many samples the batch has.</param>
    /// <param name="outputs">Receives (N, O, H, W) of each shard.</param>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    public void Forward(ReadOnlySpan<Tensor> samples, StepContext step, Span<Tensor> outputs)
    {
        for (var shard = 0; shard < slices.Length; shard++)
        {
            network.Check(samples[shard]);
            network.Take(slices[shard], samples[shard]);
        }

        network.Layers.Forward(slices, step, sums);
        for (var shard = 0; shard < slices.Length; shard++)
        {
            outputs[shard] = network.Give(slices[shard]);
        }
    }

    /// <summary>Adds to the weights' gradients, once for each forward pass.</summary>
    /// <param name="outputGradients">Of each shard, as its output.</param>
    /// <param name="step">As in the forward pass.</param>
    /// <param name="own">One-dimensional: the weights' gradients are views of it.</param>
    /// <param name="gradients">Of each shard, what is added to in its place: tensors like it.</param>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    public unsafe void Backward(ReadOnlySpan<Tensor> outputGradients, StepContext step, Tensor own, ReadOnlySpan<Tensor> gradients)
    {
        network.Layers.BeginBackward(slices, needsInput: false);
        var first = TensorMemory.Pointer<float>(own);
        for (var shard = 0; shard < slices.Length; shard++)
        {
            slices[shard].GradientShift = TensorMemory.Pointer<float>(gradients[shard]) - first;
            network.TakeGradient(slices[shard], outputGradients[shard]);
        }

        network.Layers.Backward(slices, step, sums, needsInput: false);
    }

    public void Dispose() => Array.ForEach(slices, static slice => slice.Dispose());
}
