using static TorchSharp.torch;

namespace CnnCluster.Kernels;

/// <summary>What a function of autograd has given TorchSharp last, on each thread: kept alive until the next.</summary>
/// <remarks>
/// TorchSharp (0.107) hands the native parts of a function's output, and of its gradients, over without keeping them alive: a garbage
/// collection within the call frees them under libtorch, unless a dispose scope has them. Who calls may have none.
/// </remarks>
internal static class FunctionTensors
{
    [ThreadStatic]
    private static Tensor? output;

    [ThreadStatic]
    private static List<Tensor>? gradients;

    /// <summary>What the forward pass gives.</summary>
    public static Tensor Output(Tensor made) => output = made;

    /// <summary>What the backward pass gives, of each input; null where none is needed.</summary>
    public static List<Tensor> Gradients(List<Tensor> made) => gradients = made;
}
