using System.Runtime.ExceptionServices;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Data;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>A shard that goes through the network in lockstep with a worker's others, on a thread of its own.</summary>
internal sealed class ShardThread : IDisposable
{
    private readonly ShardPass pass;
    private readonly CommandThread commands;
    private readonly Action takePart;
    private IReadOnlyList<Batch> slices = [];
    private StepScope scope;

    /// <param name="shard">Its number among all workers' shards.</param>
    /// <param name="pass">What it goes through the network with; this disposes of it.</param>
    /// <param name="group">The worker's shards.</param>
    public ShardThread(int shard, ShardPass pass, ShardGroup group)
    {
        (Shard, this.pass) = (shard, pass);
        Action work = BackPropagate;
        takePart = () => group.Run(shard, work);
        commands = new CommandThread($"shard {shard}", static mistake => ExceptionDispatchInfo.Throw(mistake));
        // A number of threads that is set counts for the thread that sets it.
        commands.Post(static () => set_num_threads(1));
    }

    public int Shard { get; }

    public Tensor Gradient => pass.Pass.Gradient;

    /// <summary>Takes the shard's slices through the network in its turns; a failure is the group's.</summary>
    /// <param name="slices">One of each batch of the step.</param>
    /// <param name="scope">The step.</param>
    public void BackPropagate(IReadOnlyList<Batch> slices, StepScope scope)
    {
        (this.slices, this.scope) = (slices, scope);
        commands.Post(takePart);
    }

    public void Dispose()
    {
        commands.Dispose();
        pass.Dispose();
    }

    private void BackPropagate()
    {
        using var tensors = NewDisposeScope();
        pass.Pass.BackPropagate(slices, scope);
    }
}
