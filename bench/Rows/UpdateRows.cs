using CnnCluster.Bench.Sides;
using CnnCluster.Dsl;
using CnnCluster.Kernels.Optimization;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Rows;

/// <summary>Rows in which parameters are updated.</summary>
internal static class UpdateRows
{
    private const double Rate = 1e-3;
    private const double MomentumShare = 0.9;
    private const string Copy = "copy";

    /// <summary>Adam reads parameters, gradients and two states, and writes all but the gradients.</summary>
    private const int AdamBytes = 7 * sizeof(float);

    public static Row Momentum(string name, string title, string network, IReadOnlyList<Goal> goals) => new()
    {
        Name = name,
        Title = title,
        Unit = "µs",
        LessIsBetter = true,
        Sides = [Row.Cnn, Row.TorchSharp],
        Goals = goals,
        Measure = (side, at) => 1e6 * (side == Row.Cnn
            ? UpdateLoops.Step(Networks.Plan(network), new Sgd(Rate, MomentumShare, nesterov: false), at.Seconds)
            : UpdateLoops.TorchSharp(Networks.Plan(network), static p => optim.SGD(p, Rate, momentum: MomentumShare), at.Seconds)),
    };

    /// <summary>Gigabytes per second that Adam moves over ResNet-50's parameters, and that a copy moves.</summary>
    /// <param name="name">How it is picked.</param>
    /// <param name="title">What it is called.</param>
    /// <param name="own">Seconds of cnn's update: of the rule alone, or of all that follows the reduction.</param>
    /// <param name="goals">What it must reach.</param>
    public static Row Adam(
        string name, string title, Func<NetworkPlan, UpdateRule, double, double> own, IReadOnlyList<Goal> goals) => new()
        {
            Name = name,
            Title = title,
            Unit = "GB/s",
            Sides = [Row.Cnn, Copy, Row.TorchSharp],
            Goals = goals,
            IsLong = true,
            Measure = (side, at) => side == Copy ? Roofs.Copy(at.Seconds, at.Threads) / 1e9 : AdamBandwidth(side, own, at.Seconds) / 1e9,
        };

    private static double AdamBandwidth(string side, Func<NetworkPlan, UpdateRule, double, double> own, double seconds)
    {
        var plan = Networks.ResNet50();
        var taken = side == Row.Cnn
            ? own(plan, new Adam(Rate, 0.9, 0.999, 1e-7), seconds)
            : UpdateLoops.TorchSharp(plan, static p => optim.Adam(p, Rate), seconds);
        return AdamBytes * plan.Parameters / taken;
    }
}
