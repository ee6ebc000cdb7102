using CnnCluster.Kernels;
using static TorchSharp.torch;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace CnnCluster.Trainer.Training.Gradients;

/// <summary>Sums over the whole batch within a step, timed: who waits there for a slower worker has not computed meanwhile.</summary>
internal sealed class TimedSum(IBatchSum sums) : IBatchSum
{
    /// <summary>Seconds spent in them, in all.</summary>
    public double WaitSeconds { get; private set; }

    public void AllReduceSum(Tensor buffer)
    {
        var started = Stopwatch.GetTimestamp();
        try
        {
            sums.AllReduceSum(buffer);
        }
        finally
        {
            WaitSeconds += Stopwatch.GetElapsedTime(started).TotalSeconds;
        }
    }
}
