using CnnCluster.Dsl;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>Samples by class (row) and prediction (column).</summary>
/// <param name="Name"><c>confusion</c>; where there are several, with what tells them apart, as in <c>confusion_sum</c>.</param>
/// <param name="Counts">How many.</param>
public sealed record Confusion(string Name, int[][] Counts);

/// <summary>A network measured on validation samples.</summary>
/// <param name="Samples">How many there are.</param>
/// <param name="Values">Figures by name: <c>val_loss</c> and <c>val_NAME</c> for each further one.</param>
/// <param name="RegularizationLosses">What <c>val_loss</c> has of each regularized weight, by the weight's name.</param>
/// <param name="Confusions">One for each output that classifies.</param>
public sealed record Evaluation(
    long Samples,
    IReadOnlyDictionary<string, double> Values,
    IReadOnlyDictionary<string, double> RegularizationLosses,
    IReadOnlyList<Confusion> Confusions)
{
    /// <summary>Measures the weights of a file.</summary>
    /// <param name="plan">The network, its losses and its metrics.</param>
    /// <param name="weights">A safetensors file.</param>
    /// <param name="data">The samples.</param>
    /// <param name="device">Where to compute.</param>
    public static Evaluation Of(TrainPlan plan, string weights, DataSet data, Device device)
    {
        using var replica = new Replica(plan, device, new SoloCollective());
        ReplicaState.LoadWeights(replica, weights);
        var batches = new BatchLoader(data.Validation, plan.Batch, 0, [1], plan.Seed, [], plan.Batch, ShardDeal.Of(plan, 0, 1));
        var sums = replica.Evaluate(batches.InOrder());
        return new Evaluation(
            sums.Samples,
            EpochMetrics.Means("val_", sums, plan.FigureNames),
            EpochMetrics.PenaltiesOf(sums, [.. plan.Network.RegularizedWeights]),
            Confuse(plan, replica, batches));
    }

    private static IReadOnlyList<Confusion> Confuse(TrainPlan plan, Replica replica, BatchLoader batches)
    {
        var outputs = plan.Classifications
            .Select(static c => (Classes: c, Confusion: new Confusion(c.Name, [.. Enumerable.Range(0, c.Classes).Select(_ => new int[c.Classes])])))
            .ToList();
        var objective = new Objective(plan);
        foreach (var batch in outputs.Count > 0 ? batches.InOrder() : [])
        {
            using var scope = NewDisposeScope();
            using var used = batch;
            var tensors = replica.Predict(batch);
            foreach (var (classes, confusion) in outputs)
            {
                Count(confusion.Counts, tensors.Targets[classes.Target], objective.PredictedClasses(classes, tensors));
            }
        }

        return [.. outputs.Select(static output => output.Confusion)];
    }

    private static void Count(int[][] counts, Tensor labels, Tensor predictions)
    {
        foreach (var (label, prediction) in labels.cpu().data<long>().Zip(predictions.cpu().data<long>()))
        {
            counts[label][prediction]++;
        }
    }
}
