using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Collectives;

/// <summary>Lets a collective that works on host memory take tensors of any device and of either type.</summary>
internal static class HostStaging
{
    /// <summary>Calls the operation for the element type with a CPU tensor: the buffer itself, or a copy that is copied back.</summary>
    public static void Run(Tensor buffer, Action<Tensor> onFloat, Action<Tensor> onDouble)
    {
        var operation = buffer.dtype switch
        {
            ScalarType.Float32 => onFloat,
            ScalarType.Float64 => onDouble,
            var other => throw new ArgumentException($"Collectives take float32 and float64; this buffer is {other}.", nameof(buffer)),
        };
        if (buffer.device_type == DeviceType.CPU)
        {
            operation(buffer);
            return;
        }

        using var gradless = no_grad();
        using var host = buffer.cpu();
        operation(host);
        buffer.copy_(host);
    }

    /// <summary>The same for an operation that reads one tensor and writes another.</summary>
    public static void Run(Tensor source, Tensor target, Action<Tensor, Tensor> onFloat, Action<Tensor, Tensor> onDouble)
    {
        if (source.device_type == DeviceType.CPU)
        {
            Run(target, t => onFloat(source, t), t => onDouble(source, t));
            return;
        }

        using var gradless = no_grad();
        using var host = source.cpu();
        Run(target, t => onFloat(host, t), t => onDouble(host, t));
    }
}
