using System.Diagnostics;
using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Optimization;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Sides;

/// <summary>Seconds that one update takes, here and with TorchSharp's optimizers, on the parameters of a network.</summary>
internal static class UpdateLoops
{
    private const double Gradient = 1e-3;

    // The runtime compiles a method for good after 30 calls, in the background.
    private const int WarmUp = 40;
    private static readonly TimeSpan Compilation = TimeSpan.FromMilliseconds(300);
    private const int LeastUpdates = 10;

    /// <summary>What a step pays behind the reduction: the finite check and the rule, over the arena.</summary>
    public static double Step(NetworkPlan plan, UpdateRule rule, double seconds)
    {
        using var arena = ArenaOf(plan, rule);
        var update = new OptimizerStep(arena, rule, null);
        var step = 0L;
        return MedianOf(seconds, () => update.Apply(++step, rule.LearningRate));
    }

    /// <summary>The rule alone, over the arena: what TorchSharp's optimizers do, which check nothing.</summary>
    public static double Rule(NetworkPlan plan, UpdateRule rule, double seconds)
    {
        using var arena = ArenaOf(plan, rule);
        var stretches = Stretches.Of(arena.Segments, apart: false);
        var step = 0L;
        return MedianOf(seconds, () => rule.Apply(new UpdateOperands(arena, stretches, ++step, rule.LearningRate)));
    }

    /// <summary>TorchSharp's optimizer on one tensor for each parameter, as its users have them.</summary>
    public static double TorchSharp(NetworkPlan plan, Func<IEnumerable<Parameter>, optim.Optimizer> create, double seconds)
    {
        var parameters = plan.Weights.Select(static w => new Parameter(zeros([.. w.Shape]))).ToList();
        foreach (var parameter in parameters)
        {
            parameter.grad = full_like(parameter, Scalars.Of(Gradient));
        }

        using var optimizer = create(parameters);
        return MedianOf(seconds, () =>
        {
            using var scope = NewDisposeScope();
            optimizer.step();
        });
    }

    private static ParameterArena ArenaOf(NetworkPlan plan, UpdateRule rule)
    {
        var segments = plan.Weights.Select(static w => new ArenaSegment(w.Name, w.Shape, w.L1, w.L2));
        var arena = new ParameterArena(segments, rule, ScalarType.Float32, CPU, extras: 2);
        arena.Gradients.fill_(Scalars.Of(Gradient));
        return arena;
    }

    /// <summary>The median of many calls: single ones are disturbed by whatever else the machine does.</summary>
    private static double MedianOf(double seconds, Action update)
    {
        for (var i = 0; i < WarmUp; i++)
        {
            update();
        }

        Thread.Sleep(Compilation);
        update();
        var times = new List<double>();
        var started = Stopwatch.StartNew();
        while (times.Count < LeastUpdates || started.Elapsed.TotalSeconds < seconds)
        {
            var before = Stopwatch.GetTimestamp();
            update();
            times.Add(Stopwatch.GetElapsedTime(before).TotalSeconds);
        }

        return Median.Of(times);
    }
}
