using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>What tensors must be to each other.</summary>
internal static class Shapes
{
    /// <exception cref="ArgumentException">The tensor has another length, or is not of the other's type and on its device.</exception>
    public static void Check(Tensor tensor, long due, Tensor other, string name)
    {
        if (tensor.numel() != due) throw new ArgumentException($"{due} elements are due; there are {tensor.numel()}.", name);
        if (tensor.dtype != other.dtype || tensor.device_type != other.device_type || tensor.device_index != other.device_index)
        {
            throw new ArgumentException($"It is {tensor.dtype} on {tensor.device}, beside {other.dtype} on {other.device}.", name);
        }
    }
}
