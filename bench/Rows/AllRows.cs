using CnnCluster.Bench.Sides;

namespace CnnCluster.Bench.Rows;

/// <summary>What <c>cnn bench</c> measures, in this order.</summary>
internal static class AllRows
{
    private static readonly IReadOnlyList<Goal> LeNet = [new(Row.TorchSharp, 3, "must"), new(Row.PyTorch, 2.5, "aim")];
    private static readonly IReadOnlyList<Goal> Colour = [new(Row.TorchSharp, 1.15, "must")];

    private static readonly IReadOnlyList<Goal> Adam = [new("copy", 0.8, "must"), new(Row.TorchSharp, 4, "must")];

    private static readonly IReadOnlyList<Goal> Pair = [new(Row.OneWorker, 1.9, "must"), new(Row.PyTorch, 2.5, "must")];

    public static IReadOnlyList<Row> List { get; } =
    [
        TrainingRows.Steps("lenet-32", "LeNet-5, training, batch 32", "lenet5", 32, colour: false, LeNet),
        TrainingRows.Steps("lenet-256", "LeNet-5, training, batch 256", "lenet5", 256, colour: false, LeNet),
        TrainingRows.Exact("exact-512", "LeNet-5, training, batch 512, exact shards=8", "lenet5", 512, shards: 8, [new(Row.Inexact, 0.87, "must")]),
        TrainingRows.Exact("exact-bn-512", "LeNet-5 with batch norm, training, batch 512, exact shards=8", "lenet5-bn", 512, shards: 8, [new(Row.Inexact, 0.85, "must")]),
        TrainingRows.Pair("pair-threads", "LeNet-5, training, batch 512 shared by two threads", "lenet5", 512, Means.Threads, Pair),
        TrainingRows.Pair("pair-processes", "LeNet-5, training, batch 512 shared by two processes", "lenet5", 512, Means.SharedMemory, Pair),
        TrainingRows.Epoch("epoch", "LeNet-5, an epoch of 60,000 and validation of 10,000, batch 64", "lenet5", 64, LeNet),
        TrainingRows.Steps("vgg", "VGG-like on 32×32 colour, training, batch 32", "vgg", 32, colour: true, Colour),
        TrainingRows.Steps("resnet18", "ResNet-18 on 32×32 colour, training, batch 32", "resnet18", 32, colour: true, Colour),
        TrainingRows.Steps("resnet18-16", "ResNet-18 on 32×32 colour, training, batch 16", "resnet18", 16, colour: true, Colour),
        UpdateRows.Momentum("momentum", "Momentum's update of LeNet-5, 61,706 parameters", "lenet5", [new(null, 10, "must")]),
        UpdateRows.Adam("adam", "Adam over ResNet-50's 25,557,032 parameters, the rule alone", UpdateLoops.Rule, Adam),
        UpdateRows.Adam("adam-step", "The same with the finite check in front", UpdateLoops.Step, []),
        TrainingRows.Roof("roof", "LeNet-5, training, batch 256, beside a product of 1024×1024 matrices", "lenet5", 256, [new("SGEMM", 0.7, "aim")]),
        .. ReductionRows.All("shared", "All-reduce of two processes through shared memory", Means.SharedMemory, [new(Row.PyTorch, 4, "must")]),
        .. ReductionRows.All("tcp", "All-reduce of two processes over TCP", Means.Tcp, [new(Row.PyTorch, 1.5, "must")]),
        .. ReductionRows.All("threads", "All-reduce of two threads", Means.Threads, []),
    ];
}
