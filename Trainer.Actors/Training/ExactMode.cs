using CnnCluster.Dsl;

namespace CnnCluster.Trainer.Training;

/// <summary>What a run must keep to for the same bits whatever the number of workers (docs/adr/0015).</summary>
public static class ExactMode
{
    /// <summary>Whether a worker's shards must go through the network together, since layers take statistics of the batch.</summary>
    public static bool ShardsMeet(TrainPlan plan) => plan.Network.Nodes.Any(static node => node.Layer.UsesBatch);

    /// <summary>Intra-op threads of a worker: one in exact mode, and null where a plan leaves them open.</summary>
    public static int? ThreadsOf(TrainPlan plan) => plan.Shards.HasValue ? 1 : null;

    /// <summary>Says what is wrong with a run before any of it starts; a plan that is not exact may have any.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="world">Workers.</param>
    /// <param name="threads">Intra-op threads of each.</param>
    /// <param name="devices">What they compute on.</param>
    /// <param name="hasOwnStep">Whether a step of one's own takes the place of the plan's losses.</param>
    /// <exception cref="UserException">The run cannot be exact as asked for.</exception>
    public static void Check(TrainPlan plan, int world, int threads, IEnumerable<string> devices, bool hasOwnStep)
    {
        if (plan.Shards is not { } shards) return;
        _ = Data.ShardDeal.Of(plan, 0, world);
        if (threads != 1)
        {
            throw new UserException($"exact shards={shards} computes with one thread in each worker, and {threads} are asked for: several share a sum out in another order. More workers use more cores.");
        }

        if (devices.FirstOrDefault(static device => device != "cpu") is { } other)
        {
            throw new UserException($"exact shards={shards} computes on cpu alone, and '{other}' is asked for: its kernels do not promise the same bits.");
        }

        if (hasOwnStep && ShardsMeet(plan))
        {
            throw new UserException($"exact shards={shards} takes the shards of a network with statistics of the batch through it together, which a step of one's own cannot: leave out 'exact', or the layers that take statistics.");
        }
    }
}
