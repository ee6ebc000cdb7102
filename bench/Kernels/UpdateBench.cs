using BenchmarkDotNet.Attributes;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Arena;
using CnnCluster.Kernels.Optimization;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Kernels;

/// <summary>Each rule of the catalogue over an arena of LeNet-5's size, with its default settings.</summary>
public class UpdateBench
{
    private const int Elements = 61_706;
    private ParameterArena? arena;
    private UpdateRule? rule;
    private Stretch[] stretches = [];
    private long step;

    public static IEnumerable<string> Rules => UpdateRules.All.Select(static definition => definition.Name);

    [ParamsSource(nameof(Rules))]
    public string Rule { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        var definition = UpdateRules.All.Single(d => d.Name == Rule);
        rule = definition.Create(new SettingValues(definition.Settings.ToDictionary(static s => s.Name, static s => s.Default ?? 0)));
        arena = new ParameterArena([new ArenaSegment("all", [Elements], 0, 0)], rule, ScalarType.Float32, CPU, extras: 0);
        arena.Gradients.fill_(Scalars.Of(1e-3));
        stretches = Stretches.Of(arena.Segments, apart: false);
    }

    [Benchmark]
    public void Update() => rule!.Apply(new UpdateOperands(arena!, stretches, ++step, rule.LearningRate));

    [GlobalCleanup]
    public void Cleanup() => arena?.Dispose();
}
