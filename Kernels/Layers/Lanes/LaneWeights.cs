using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>A weight and where its gradient is added up: contiguous float32 tensors on the CPU, or none of a layer without it.</summary>
/// <param name="Value">In PyTorch's shape: kernels (O, C, K, K) or (units, features), biases (O).</param>
/// <param name="Gradient">Of the same shape; null for weights that are not trained.</param>
public sealed record LaneWeight(Tensor Value, Tensor? Gradient)
{
    internal unsafe float* Pointer => Of(Value);

    /// <summary>Where a pass adds to the gradient.</summary>
    internal unsafe float* GradientOf(in StagePass pass) => Gradient is null ? null : Of(Gradient) + pass.GradientShift;

    private static unsafe float* Of(Tensor tensor) => TensorMemory.Pointer<float>(tensor);
}

/// <summary>The running statistics of a batch normalisation: contiguous float32 tensors on the CPU.</summary>
/// <param name="Mean">(C).</param>
/// <param name="Variance">(C).</param>
public sealed record LaneStatistics(Tensor Mean, Tensor Variance)
{
    internal unsafe float* MeanPointer => TensorMemory.Pointer<float>(Mean);

    internal unsafe float* VariancePointer => TensorMemory.Pointer<float>(Variance);
}
