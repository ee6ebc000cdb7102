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
        using var gradless = no_grad();
        this.tensor = tensor;
        host = tensor.device_type == DeviceType.CPU ? tensor : tensor.cpu();
    }

    public Span<T> Elements<T>()
        where T : unmanaged => TensorMemory.Span<T>(host);

    /// <summary>Makes the elements the tensor's, after they were written.</summary>
    public void Store()
    {
        if (ReferenceEquals(host, tensor)) return;
        using var gradless = no_grad();
        tensor.copy_(host);
    }

    public void Dispose()
    {
        if (!ReferenceEquals(host, tensor)) host.Dispose();
    }
}
