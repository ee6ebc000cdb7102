using System.Diagnostics;
using CnnCluster.Dsl;
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

    public CnnLoop(string network, int batch, DataSet data, int? shards = null)
    {
        var plan = Networks.Training(network, batch, data.Train.Inputs[0].Shape, shards).Plan;
        session = new WorkerSession(new Job(), plan, CPU, data, ownStep: null);
    }

    /// <summary>Images per second of training steps.</summary>
    public double RateOfSteps(StepMeter meter)
    {
        for (var epoch = 1; !meter.IsDone; epoch++)
        {
            session.TrainEpoch(epoch, () => meter.IsDone, step => Count(meter, step));
        }

        return meter.Rate;
    }

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

    /// <summary>The step that a stop is asked for in is one more: the clock has stopped by then.</summary>
    private static void Count(StepMeter meter, StepResult step)
    {
        if (!meter.IsDone) meter.Count(step.Samples);
    }
}
