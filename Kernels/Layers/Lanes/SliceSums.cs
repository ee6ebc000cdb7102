using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Doubles that slices sum up, each its own; they stay where they are from step to step.</summary>
/// <param name="length">Of each slice.</param>
internal sealed unsafe class SliceSums(int length) : IDisposable
{
    private readonly List<nint> memory = [];
    private Tensor[] tensors = [];
    private int count;

    /// <summary>Those in use, one-dimensional.</summary>
    public ReadOnlySpan<Tensor> Tensors => tensors.AsSpan(0, count);

    public double* Of(int slice) => (double*)memory[slice];

    /// <summary>Sees to so many slices' sums, all zero.</summary>
    public void Clear(int slices)
    {
        if (tensors.Length < slices)
        {
            tensors = [.. tensors, .. Enumerable.Range(0, slices - tensors.Length).Select(_ => zeros([length], dtype: ScalarType.Float64).DetachFromDisposeScope())];
            memory.AddRange(tensors.Skip(memory.Count).Select(static tensor => (nint)TensorMemory.Pointer<double>(tensor)));
        }

        count = slices;
        for (var slice = 0; slice < slices; slice++)
        {
            new Span<double>(Of(slice), length).Clear();
        }
    }

    public void Dispose()
    {
        foreach (var tensor in tensors)
        {
            tensor.Dispose();
        }
    }
}
