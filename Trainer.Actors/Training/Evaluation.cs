using CnnCluster.Dsl;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>A network measured on validation samples.</summary>
/// <param name="Samples">How many there are.</param>
/// <param name="Values">Figures by name: <c>val_loss</c> and <c>val_NAME</c> for each metric.</param>
/// <param name="Confusion">Samples by label (row) and prediction (column); null where the network does not classify.</param>
public sealed record Evaluation(long Samples, IReadOnlyDictionary<string, double> Values, int[][]? Confusion)
{
    /// <summary>Measures the weights of a file.</summary>
    /// <param name="plan">The network, its loss and its metrics.</param>
    /// <param name="weights">A safetensors file.</param>
    /// <param name="data">The samples.</param>
    /// <param name="device">Where to compute.</param>
    public static Evaluation Of(TrainPlan plan, string weights, DataSet data, Device device)
    {
        using var replica = new Replica(plan, device, new SoloCollective());
        ReplicaState.LoadWeights(replica, weights);
        var batches = new BatchLoader(data.Validation, plan.Batch, 0, 1, plan.Seed, [], plan.Batch);
        var sums = replica.Evaluate(batches.InOrder());
        var confusion = plan.TargetIsInput ? null : Confuse(replica, batches, plan.Data.Definition.Classes);
        return new Evaluation(sums.Samples, EpochMetrics.Means("val_", sums, plan.MetricNames), confusion);
    }

    private static int[][] Confuse(Replica replica, BatchLoader batches, int classes)
    {
        var counts = Enumerable.Range(0, classes).Select(_ => new int[classes]).ToArray();
        foreach (var batch in batches.InOrder())
        {
            using var output = replica.Predict(batch);
            using var predicted = output.argmax(1).cpu();
            foreach (var (label, prediction) in batch.Labels.Zip(predicted.data<long>()))
            {
                counts[label][prediction]++;
            }
        }

        return counts;
    }
}
