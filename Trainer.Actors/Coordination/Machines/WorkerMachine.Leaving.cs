using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>How a worker ends that no coordinator is left to: it keeps its state first.</content>
public sealed partial class WorkerMachine
{
    private void Keep(IReadOnlyList<DeliverState> asked)
    {
        kept = asked.Count;
        foreach (var delivery in asked)
        {
            effects.Add(new WorkerEffect.Order(delivery));
        }

        if (kept == 0) End(leaving!);
    }

    /// <summary>No coordinator is left: the run ends here, and its state is kept.</summary>
    private void Leave()
    {
        leaving = "the run's coordinator is gone, and no majority of the workers was there to choose another";
        if (!succession.Waits)
        {
            End(leaving);
            return;
        }

        effects.Add(new WorkerEffect.Halt(new Halt { Round = 0, Reason = leaving }));
    }
}
