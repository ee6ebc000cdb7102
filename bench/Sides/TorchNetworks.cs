using CnnCluster.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CnnCluster.Bench.Sides;

/// <summary>The networks of <c>bench/networks</c>, as a user of TorchSharp writes them.</summary>
internal static class TorchNetworks
{
    public static Module<Tensor, Tensor> Create(string network) => network switch
    {
        "lenet5" => LeNet5(),
        "vgg" => Vgg(),
        "resnet18" => ResNet18(),
        _ => throw new ArgumentOutOfRangeException(nameof(network), network, "No such network."),
    };

    private static Sequential LeNet5() => Sequential(
        Conv2d(1, 6, 5, padding: 2), ReLU(), MaxPool2d(2),
        Conv2d(6, 16, 5), ReLU(), MaxPool2d(2),
        Flatten(),
        Linear(400, 120), ReLU(),
        Linear(120, 84), ReLU(),
        Linear(84, 10));

    private static Sequential Vgg()
    {
        var layers = new List<Module<Tensor, Tensor>>();
        var channels = 3L;
        foreach (var filters in new[] { 32L, 64, 128 })
        {
            layers.AddRange(
            [
                Conv2d(channels, filters, 3, padding: 1), ReLU(),
                Conv2d(filters, filters, 3, padding: 1), ReLU(),
                MaxPool2d(2),
            ]);
            channels = filters;
        }

        layers.AddRange([Flatten(), Linear(2048, 256), ReLU(), Linear(256, 10)]);
        return Sequential(layers);
    }

    private static Sequential ResNet18()
    {
        var layers = new List<Module<Tensor, Tensor>> { Conv2d(3, 64, 3, padding: 1, bias: false), BatchNorm2d(64), ReLU() };
        var channels = 64L;
        foreach (var (filters, stride) in new[] { (64L, 1L), (128, 2), (256, 2), (512, 2) })
        {
            layers.Add(new Basic(channels, filters, stride));
            layers.Add(new Basic(filters, filters, 1));
            channels = filters;
        }

        layers.AddRange([AdaptiveAvgPool2d(1), Flatten(), Linear(512, 10)]);
        return Sequential(layers);
    }

    /// <summary>Two convolutions, and a shortcut around them.</summary>
    private sealed class Basic : Module<Tensor, Tensor>
    {
        private readonly Module<Tensor, Tensor> main;
        private readonly Module<Tensor, Tensor>? shortcut;

        public Basic(long channels, long filters, long stride)
            : base(nameof(Basic))
        {
            main = Sequential(
                Conv2d(channels, filters, 3, stride, 1, bias: false), BatchNorm2d(filters), ReLU(),
                Conv2d(filters, filters, 3, 1, 1, bias: false), BatchNorm2d(filters));
            if (stride > 1 || channels != filters)
            {
                shortcut = Sequential(Conv2d(channels, filters, 1, stride, bias: false), BatchNorm2d(filters));
            }

            RegisterComponents();
        }

        // A user writes +, which makes the same call with a number that a garbage collection may free under it.
        public override Tensor forward(Tensor input) =>
            functional.relu(main.call(input).Plus(shortcut?.call(input) ?? input));
    }
}
