using System.Numerics;
using TorchSharp;
using static TorchSharp.torch;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Copies and sums of one-dimensional, contiguous tensors of float32 or float64. On the CPU it does without libtorch, whose
/// operations cost several times what they do for the few numbers of a layer's statistics.
/// </summary>
internal static class Elements
{
    /// <summary>Makes one tensor's elements another's, of the same type and length.</summary>
    public static void Copy(Tensor from, Tensor to)
    {
        if (!AreHere(from, to))
        {
            using var gradless = no_grad();
            to.copy_(from);
        }
        else if (HostTensor.IsSingle(to))
        {
            TensorMemory.Span<float>(from).CopyTo(TensorMemory.Span<float>(to));
        }
        else
        {
            TensorMemory.Span<double>(from).CopyTo(TensorMemory.Span<double>(to));
        }
    }

    /// <summary>Adds a tensor's elements to another's, of the same type and length.</summary>
    public static void Add(Tensor from, Tensor to)
    {
        if (!AreHere(from, to))
        {
            using var gradless = no_grad();
            to.add_(from, Scalars.Of(1));
        }
        else if (HostTensor.IsSingle(to))
        {
            Add(TensorMemory.Span<float>(from), TensorMemory.Span<float>(to));
        }
        else
        {
            Add(TensorMemory.Span<double>(from), TensorMemory.Span<double>(to));
        }
    }

    private static bool AreHere(Tensor from, Tensor to) =>
        from.device_type == DeviceType.CPU && to.device_type == DeviceType.CPU && from.dtype == to.dtype;

    private static void Add<T>(Span<T> from, Span<T> to)
        where T : IAdditionOperators<T, T, T>, IAdditiveIdentity<T, T> => TensorPrimitives.Add(to, from, to);
}
