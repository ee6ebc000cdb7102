using BenchmarkDotNet.Attributes;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Kernels;

/// <summary>The all-reduce of two workers of one process.</summary>
public class ReductionBench
{
    private const int World = 2;
    private const int Rounds = 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly List<(ICollective Collective, Tensor Buffer)> ranks = [];

    [Params(61_706, 1 << 20)]
    public int Elements { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        foreach (var collective in new InProcessGroup(new WorldSize(World), Patience).Collectives())
        {
            ranks.Add((collective, zeros(Elements)));
        }
    }

    [Benchmark(OperationsPerInvoke = Rounds)]
    public void AllReduce()
    {
        var threads = ranks.Select(rank => new Thread(() => Reduce(rank.Collective, rank.Buffer))).ToList();
        threads.ForEach(static thread => thread.Start());
        threads.ForEach(static thread => thread.Join());
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (var (collective, buffer) in ranks)
        {
            collective.Dispose();
            buffer.Dispose();
        }
    }

    private static void Reduce(ICollective collective, Tensor buffer)
    {
        for (var round = 0; round < Rounds; round++)
        {
            collective.AllReduceSum(buffer);
        }
    }
}
