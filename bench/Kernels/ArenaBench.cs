using BenchmarkDotNet.Attributes;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Optimization;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Kernels;

/// <summary>What else passes over the arena in a step, at LeNet-5's and at ResNet-50's size.</summary>
public class ArenaBench
{
    private readonly Sgd rule = new(0, 0, nesterov: false);
    private ParameterArena? arena;
    private OptimizerStep? plain;
    private OptimizerStep? clipped;
    private OptimizerStep? regularized;
    private ParameterArena? weighed;

    [Params(61_706, 25_557_032)]
    public int Elements { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        arena = Filled(l2: 0);
        weighed = Filled(l2: 1e-4);
        plain = new OptimizerStep(arena, rule, null);
        clipped = new OptimizerStep(arena, rule, new GradientClipping(ClippingKind.GlobalNorm, 1));
        regularized = new OptimizerStep(weighed, rule, null);
    }

    /// <summary>The finite check and plain gradient descent.</summary>
    [Benchmark(Baseline = true)]
    public double Step() => plain!.Apply(1, 1e-3);

    [Benchmark]
    public double StepClipped() => clipped!.Apply(1, 1e-3);

    [Benchmark]
    public double StepWithL2() => regularized!.Apply(1, 1e-3);

    [Benchmark]
    public void ZeroGradients() => arena!.ZeroGradients();

    [GlobalCleanup]
    public void Cleanup()
    {
        arena?.Dispose();
        weighed?.Dispose();
    }

    private ParameterArena Filled(double l2)
    {
        var filled = new ParameterArena([new ArenaSegment("all", [Elements], 0, l2)], rule, ScalarType.Float32, CPU, extras: 2);
        filled.Gradients.fill_(Scalars.Of(1e-3));
        return filled;
    }
}
