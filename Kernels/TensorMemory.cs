using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels;

/// <summary>The memory behind a tensor.</summary>
public static class TensorMemory
{
    /// <summary>The elements of a contiguous CPU tensor, where they lie; valid as long as the tensor lives.</summary>
    /// <exception cref="ArgumentException">The tensor is on another device, of another type, or not contiguous.</exception>
    /// <exception cref="OverflowException">It has 2³¹ elements or more.</exception>
    public static unsafe Span<T> Span<T>(Tensor tensor)
        where T : unmanaged => new(Pointer<T>(tensor), checked((int)tensor.numel()));

    /// <summary>Where those elements begin, also of more than a span can hold: libtorch's memory does not move.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Span{T}"/>.</exception>
    internal static unsafe T* Pointer<T>(Tensor tensor)
        where T : unmanaged
    {
        if (tensor.device_type != DeviceType.CPU || tensor.ElementSize != sizeof(T) || !tensor.is_contiguous())
        {
            throw new ArgumentException($"A contiguous CPU tensor of {typeof(T).Name} is needed; this one is {tensor.dtype} on {tensor.device}.", nameof(tensor));
        }

        // TorchSharp shows memory as a span of bytes, of 2 GiB at most: of more, the first element alone is asked for.
        if (tensor.numel() <= int.MaxValue / sizeof(T)) return AddressOf<T>(tensor);
        using var flat = tensor.view(-1);
        return (T*)First(flat);
    }

    /// <summary>Where the first element of a CPU tensor that has one lies.</summary>
    internal static unsafe void* First(Tensor tensor)
    {
        // One element is asked for: the memory of more than 2 GiB has no span.
        using var first = tensor.narrow(0, 0, 1);
        return Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }

    private static unsafe T* AddressOf<T>(Tensor tensor)
        where T : unmanaged => (T*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));
}
