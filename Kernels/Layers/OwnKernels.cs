using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers;

/// <summary>Where the kernels of this folder take a layer over from libtorch: float32 on the CPU.</summary>
/// <remarks>
/// The rule knows the tensor's type and device, and nothing of its samples: a sample's bits do not depend on its slice, and
/// all ranks enter the same reductions. Elsewhere, in float64 or on a GPU, libtorch computes the layer.
/// </remarks>
public static class OwnKernels
{
    /// <summary>Whether the kernels compute with this tensor.</summary>
    public static bool Take(Tensor x) => x.device_type == DeviceType.CPU && x.dtype == ScalarType.Float32;
}
