using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>A tensor's elements in this process's memory: the tensor itself where it lies there, else a copy.</summary>
internal readonly ref struct HostTensor
{
    private readonly Tensor tensor;
    private readonly Tensor host;

    public HostTensor(Tensor tensor)
    {
        this.tensor = tensor;
        host = tensor.device_type == DeviceType.CPU ? tensor : Copied(tensor);
    }

    /// <summary>Whether the elements are float32; they are float64 if not.</summary>
    /// <exception cref="ArgumentException">They are neither.</exception>
    public static bool IsSingle(Tensor buffer) => buffer.dtype switch
    {
        ScalarType.Float32 => true,
        ScalarType.Float64 => false,
        var other => throw new ArgumentException($"Collectives take float32 and float64; this buffer is {other}.", nameof(buffer)),
    };

    public Span<T> Elements<T>()
        where T : unmanaged => TensorMemory.Span<T>(host);

    /// <summary>Makes the elements the tensor's, after they were written.</summary>
    public void Store()
    {
        if (ReferenceEquals(host, tensor)) return;
        using var gradless = no_grad();
        tensor.copy_(host);
    }

    private static Tensor Copied(Tensor tensor)
    {
        using var gradless = no_grad();
        return tensor.cpu();
    }

    public void Dispose()
    {
        if (!ReferenceEquals(host, tensor)) host.Dispose();
    }
}
