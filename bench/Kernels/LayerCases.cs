using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CnnCluster.Bench.Kernels;

/// <summary>A stretch of layers, as a script has it and as libtorch's operators compute it.</summary>
/// <param name="Name">As the table shows it.</param>
/// <param name="Input">H×W×C, as scripts write it.</param>
/// <param name="Layers">Statements of the network language.</param>
/// <param name="LibTorch">Makes the same of TorchSharp's modules.</param>
/// <param name="NeedsInputGradient">Whether the gradient goes on to what is in front; not so for a network's first layer.</param>
public sealed record LayerCase(
    string Name, string Input, string Layers, Func<Module<Tensor, Tensor>> LibTorch, bool NeedsInputGradient = true)
{
    public override string ToString() => Name;
}

/// <summary>What <see cref="LayerBench"/> times; a further case is a line here.</summary>
public static class LayerCases
{
    public static IReadOnlyList<LayerCase> All { get; } =
    [
        new("maxpool 2x2 of 28x28x6", "28x28x6", "maxpool 2x2", () => MaxPool2d(2)),
        new("maxpool 2x2 of 10x10x16", "10x10x16", "maxpool 2x2", () => MaxPool2d(2)),
        new("conv 6 5x5 same of 28x28x1", "28x28x1", "conv 6 5x5 pad=same", () => Conv2d(1, 6, 5, padding: 2), NeedsInputGradient: false),
        new("conv 6 5x5 same relu, maxpool, of 28x28x1", "28x28x1", "conv 6 5x5 pad=same relu; maxpool 2x2", () => Sequential(Conv2d(1, 6, 5, padding: 2), ReLU(), MaxPool2d(2)), NeedsInputGradient: false),
        new("conv 16 5x5 relu, maxpool, of 14x14x6", "14x14x6", "conv 16 5x5 relu; maxpool 2x2", () => Sequential(Conv2d(6, 16, 5), ReLU(), MaxPool2d(2))),
        new("conv 64 3x3 same relu of 16x16x64", "16x16x64", "conv 64 3x3 pad=same relu", () => Sequential(Conv2d(64, 64, 3, padding: 1), ReLU())),
        // Around the thresholds by which layers are given to lanes, to Winograd's algorithm or to libtorch (ADR 9 and 13).
        new("conv 32 3x3 same relu of 32x32x3", "32x32x3", "conv 32 3x3 pad=same relu", () => Sequential(Conv2d(3, 32, 3, padding: 1), ReLU()), NeedsInputGradient: false),
        new("conv 16 3x3 same relu of 32x32x3", "32x32x3", "conv 16 3x3 pad=same relu", () => Sequential(Conv2d(3, 16, 3, padding: 1), ReLU()), NeedsInputGradient: false),
        new("conv 15 3x3 same relu of 32x32x3", "32x32x3", "conv 15 3x3 pad=same relu", () => Sequential(Conv2d(3, 15, 3, padding: 1), ReLU()), NeedsInputGradient: false),
        new("conv 32 3x3 same relu of 32x32x32", "32x32x32", "conv 32 3x3 pad=same relu", () => Sequential(Conv2d(32, 32, 3, padding: 1), ReLU())),
        new("conv 128 3x3 same relu of 8x8x128", "8x8x128", "conv 128 3x3 pad=same relu", () => Sequential(Conv2d(128, 128, 3, padding: 1), ReLU())),
        new("conv 512 3x3 same of 4x4x512", "4x4x512", "conv 512 3x3 pad=same", () => Conv2d(512, 512, 3, padding: 1)),
        new("conv 128 3x3 stride 2 of 16x16x64", "16x16x64", "conv 128 3x3 stride=2 pad=1", () => Conv2d(64, 128, 3, stride: 2, padding: 1)),
        new("conv 128 1x1 of 16x16x64", "16x16x64", "conv 128 1x1", () => Conv2d(64, 128, 1)),
        new("conv 64 3x3 same of 8x8x64", "8x8x64", "conv 64 3x3 pad=same", () => Conv2d(64, 64, 3, padding: 1)),
        new("conv 8 3x3 same, batchnorm relu, maxpool, of 28x28x1", "28x28x1", "conv 8 3x3 pad=same; batchnorm relu; maxpool 2x2", () => Sequential(Conv2d(1, 8, 3, padding: 1), BatchNorm2d(8), ReLU(), MaxPool2d(2)), NeedsInputGradient: false),
        new("batchnorm relu of 16x16x64", "16x16x64", "batchnorm relu", () => Sequential(BatchNorm2d(64), ReLU())),
        new("dense 120 relu of 400", "5x5x16", "flatten; dense 120 relu", () => Sequential(Flatten(), Linear(400, 120), ReLU())),
        new("dense 10 of 84", "1x1x84", "flatten; dense 10", () => Sequential(Flatten(), Linear(84, 10))),
    ];
}
