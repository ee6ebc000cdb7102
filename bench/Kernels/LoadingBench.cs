using BenchmarkDotNet.Attributes;
using CnnCluster.Bench.Sides;
using CnnCluster.Trainer.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Kernels;

/// <summary>A batch from bytes: gathered and divided by 255. The baseline gathers from float32 with libtorch.</summary>
public class LoadingBench
{
    private const int Batches = 40;
    private DataSet? data;
    private BatchLoader? loader;
    private Tensor? floats;
    private Tensor? order;

    [Params(32, 256)]
    public int Batch { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        data = SampleFiles.Noise(Batches * Batch, 1, new SampleShape(1, 28, 28), seed: 1);
        loader = new BatchLoader(data.Train, Batch, rank: 0, shares: [1], seed: 1, [], Batch);
        floats = rand(Batches * Batch, 28 * 28);
        order = randperm(Batches * Batch);
    }

    /// <summary>Through the loader's thread, as training has it.</summary>
    [Benchmark(OperationsPerInvoke = Batches)]
    public long Cnn()
    {
        var samples = 0L;
        foreach (var batch in loader!.TrainEpoch(1, 0))
        {
            using (batch) samples += batch.Count;
        }

        return samples;
    }

    [Benchmark(OperationsPerInvoke = Batches, Baseline = true)]
    public void LibTorch()
    {
        for (var first = 0; first < Batches * Batch; first += Batch)
        {
            using var chosen = order!.narrow(0, first, Batch);
            floats!.index_select(0, chosen).Dispose();
        }
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        floats?.Dispose();
        order?.Dispose();
    }
}
