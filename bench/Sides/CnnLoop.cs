using System.Diagnostics;
using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Data;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Training;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Sides;

/// <summary>
/// cnn's own training: the session that a worker of <c>cnn train</c> drives, with its loader, reduction, metrics and
/// position, on the thread that calls.
/// </summary>
internal sealed class CnnLoop : IDisposable
{
    private readonly WorkerSession session;

    /// <param name="network">One of <c>bench/networks</c>.</param>
    /// <param name="batch">Samples of the whole batch.</param>
    /// <param name="data">The samples.</param>
    /// <param name="shards">Of exact mode; null without it.</param>
    /// <param name="collective">Joins it with other workers, which have an equal part of each batch; null where there is no other.</param>
    public CnnLoop(string network, int batch, DataSet data, int? shards = null, ICollective? collective = null)
    {
        var plan = Networks.Training(network, batch, data.Train.Inputs[0].Shape, shards).Plan;
        session = new WorkerSession(new Job(), plan, CPU, data, ownStep: null);
        if (collective is null) return;
        var form = new FormGeneration();
        form.Members.AddRange(collective.WorldSize.Ranks.Select(static _ => new Member { Share = 1 }));
        session.Enter(collective, form);
    }

    /// <summary>Images per second of training steps, of all workers together.</summary>
    public double RateOfSteps(StepMeter meter)
    {
        TrainToStop(() => meter.IsDone, step => Count(meter, step));
        return meter.Rate;
    }

    /// <summary>Seconds of each of many steps, once warm: from the end of one to the end of the next.</summary>
    /// <param name="batch">Steps of fewer samples, as the last of an epoch may be, are left out.</param>
    /// <param name="meter">How long it is counted.</param>
    public IReadOnlyList<double> StepSeconds(int batch, StepMeter meter)
    {
        var (taken, last) = (new List<double>(), Stopwatch.GetTimestamp());
        TrainToStop(() => meter.IsDone, step =>
        {
            if (meter.IsWarm && !meter.IsDone && step.Samples == batch) taken.Add(Stopwatch.GetElapsedTime(last).TotalSeconds);
            Count(meter, step);
            last = Stopwatch.GetTimestamp();
        });
        return taken;
    }

    /// <summary>Takes part in what another worker measures.</summary>
    public void Follow() => TrainToStop(static () => false, static _ => { });

    /// <summary>Images per second of one epoch of training and a validation.</summary>
    public double RateOfEpoch(StepMeter warmUp)
    {
        session.TrainEpoch(1, () => warmUp.IsWarm, step => Count(warmUp, step));
        var clock = Stopwatch.StartNew();
        var trained = 0L;
        session.TrainEpoch(2, static () => false, step => trained += step.Samples);
        var validated = session.Validate(static () => { }).Samples;
        return (trained + validated) / clock.Elapsed.TotalSeconds;
    }

    public void Dispose() => session.Dispose();

    /// <summary>Trains until a worker's wish to stop has come to all of them, with a step.</summary>
    private void TrainToStop(Func<bool> stopRequested, Action<StepResult> onStep)
    {
        for (var epoch = 1; session.TrainEpoch(epoch, stopRequested, onStep) != StopCause.StopRequested; epoch++)
        {
        }
    }

    /// <summary>The step that a stop is asked for in is one more: the clock has stopped by then.</summary>
    private static void Count(StepMeter meter, StepResult step)
    {
        if (!meter.IsDone) meter.Count(step.Samples);
    }
}
