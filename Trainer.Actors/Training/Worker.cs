using System.Net;
using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Kernels.Optimization;
using CnnCluster.Kernels.Tracing;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.StateChannel;
using Google.Protobuf;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>One device's share of a run: its commands run on a thread of its own, states are sent from another.</summary>
public sealed class Worker : IWorker
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(250);
    private readonly int slot;
    private readonly string device;
    private readonly WorkerServices services;
    private readonly Action<IMessage> report;
    private readonly CommandThread commands;
    private readonly CommandThread deliveries;
    private Prepare? prepared;
    private TrainPlan? plan;
    private Data.DataSet? data;
    private TcpMesh? mesh;
    private WorkerSession? session;
    private volatile ICollective? collective;
    private volatile bool stopRequested;
    private volatile bool abandoned;

    /// <param name="slot">Names the worker's threads.</param>
    /// <param name="device">Where it computes, as <c>cpu</c> or <c>cuda:0</c>.</param>
    /// <param name="services">What it shares with this process's other workers.</param>
    /// <param name="report">Takes its answers, from any of its threads.</param>
    public Worker(int slot, string device, WorkerServices services, Action<IMessage> report)
    {
        this.slot = slot;
        this.device = device;
        this.services = services;
        this.report = report;
        commands = new CommandThread($"worker {slot}", Fail);
        deliveries = new CommandThread($"worker {slot} states", Fail);
    }

    private long Generation => prepared?.Generation ?? 0;

    private int Rank => prepared?.Rank ?? 0;

    public void Prepare(Prepare message) => commands.Post(() =>
    {
        prepared = message;
        if (Trace.Current is null) Trace.Attach(services.TraceFor(message.Job)?.WorkerTrack(slot));
        if (message.Job.Threads > 0) set_num_threads(message.Job.Threads);
        plan = PlanOf(message.Job);
        data = services.Data.Load(plan, message.Job.DataFolder);
        if (!message.OneProcess) mesh = TcpMesh.Listen(IPAddress.Loopback);
        report(new WorkerPrepared
        {
            Generation = Generation,
            Rank = Rank,
            DataPlane = new Endpoint { Host = IPAddress.Loopback.ToString(), Port = mesh?.Port ?? 0 },
        });
    });

    public void Form(FormGeneration message) => commands.Post(() =>
    {
        collective = Join(message);
        session = new WorkerSession(prepared!.Job, plan!, new Device(device), data!, collective, services.OwnStep?.Invoke());
        report(new WorkerReady { Generation = Generation, Rank = Rank, Position = session.Position.Clone() });
    });

    public void Train(TrainEpoch message) => commands.Post(() =>
    {
        var started = System.Diagnostics.Stopwatch.StartNew();
        var meter = new ProgressMeter(ProgressInterval);
        var stop = session!.TrainEpoch(message.Epoch, () => stopRequested, step =>
        {
            if (meter.Count(step.Samples) is { } rate) ReportProgress(rate, step.Loss);
        });
        report(new EpochTrained
        {
            Generation = Generation,
            Rank = Rank,
            Epoch = message.Epoch,
            Step = session.Position.Step,
            Sums = session.Position.Sums.Clone(),
            Seconds = started.Elapsed.TotalSeconds,
            LearningRate = session.LearningRate,
            Stop = stop,
        });
    });

    public void Validate(Validate message) => commands.Post(() =>
    {
        var meter = new ProgressMeter(ProgressInterval);
        var sums = session!.Validate(() => meter.Count(0));
        report(new Validated { Generation = Generation, Rank = Rank, Epoch = message.Epoch, Sums = sums });
    });

    public void Decide(EpochDecided message) => commands.Post(() => session!.Decide(message));

    public void Deliver(DeliverState message) => commands.Post(() =>
    {
        var write = session!.Capture(message.Content);
        deliveries.Post(() =>
        {
            StateSender.Send(message.Receiver.Host, message.Receiver.Port, message.Token.Span, message.Name, write);
            report(new StateDelivered { Generation = Generation, Rank = Rank, Name = message.Name });
        });
    });

    public void Finish(Finish message) => commands.Post(() =>
        report(new WorkerFinished { Generation = Generation, Rank = Rank, WeightsSha256 = session!.Finish(message.RestoreBest) }));

    public void StopAtNextStep() => stopRequested = true;

    public void Abandon(Abandon message)
    {
        abandoned = true;
        collective?.Abort(message.Reason);
        commands.Post(() => report(new WorkerHalted { Generation = Generation, Rank = Rank, Step = session?.Position.Step ?? 0 }));
    }

    public void Dispose()
    {
        collective?.Abort("this worker is ending");
        commands.Post(() =>
        {
            session?.Dispose();
            mesh?.Dispose();
        });
        commands.Dispose();
        deliveries.Dispose();
    }

    /// <summary>The script was checked at home: here it can only be wrong if the two are not the same version.</summary>
    private TrainPlan PlanOf(Job job)
    {
        var result = Script.Training(new Source(job.TrainName, job.Script), job.TrainName, [], services.Catalogues);
        return result.Value?.Plan ?? throw new UserException($"This worker does not understand the run's script:\n{result.Text}");
    }

    private ICollective Join(FormGeneration message)
    {
        var rank = new Rank(Rank);
        if (prepared!.OneProcess)
        {
            return services.InProcess(rank, new WorldSize(prepared.World), message.Token.Span);
        }

        var endpoints = message.DataPlanes.Select(static e => (e.Host, e.Port)).ToList();
        return mesh!.Connect(rank, endpoints, message.Generation, message.Token.Memory, WorkerServices.ConnectPatience, WorkerServices.OperationPatience);
    }

    private void ReportProgress(double rate, double loss) => report(new Progress
    {
        Generation = Generation,
        Rank = Rank,
        Step = session!.Position.Step,
        Epoch = session.Position.Epoch,
        ImagesPerSecond = rate,
        Loss = loss,
    });

    /// <summary>Between two steps every replica is whole: only one that was never built has no state to save.</summary>
    private void Fail(Exception exception)
    {
        if (abandoned && exception is CollectiveException)
        {
            // The step that was given up: the answer to Abandon follows.
            return;
        }

        report(new WorkerFailed
        {
            Generation = Generation,
            Rank = Rank,
            Step = session?.Position.Step ?? 0,
            Reason = Describe(exception),
            LostPeer = (exception as CollectiveException)?.Peer?.Value ?? -1,
            HasState = session is not null,
        });
    }

    private static string Describe(Exception exception) =>
        exception is UserException or CollectiveException or NonFiniteGradientException or IOException
            ? exception.Message
            : exception.ToString();
}
