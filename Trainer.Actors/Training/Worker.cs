using System.Net;
using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;
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
    private readonly string device;
    private readonly WorkerServices services;
    private readonly Action<IMessage> report;
    private readonly CommandThread commands;
    private readonly CommandThread deliveries;
    private readonly Lock gate = new();
    private int slot;
    private TrainPlan? plan;
    private TcpMesh? mesh;
    private IReadOnlyList<int> slots = [];
    private long generation;
    private ICollective? collective;
    private CancellationTokenSource? connecting;
    private string haltReason = "";
    private int ordered;
    private int haltedUpTo;
    private volatile WorkerSession? session;
    private volatile bool working;
    private long progress;
    private volatile bool stopRequested;
    private Rates rates = new(0, 0);

    /// <summary>What the last steps came to.</summary>
    private sealed record Rates(double ImagesPerSecond, double Loss);

    /// <param name="name">Names the worker's threads.</param>
    /// <param name="device">Where it computes, as <c>cpu</c> or <c>cuda:0</c>.</param>
    /// <param name="services">What it shares with this process's other workers.</param>
    /// <param name="report">Takes its answers, from any of its threads.</param>
    public Worker(string name, string device, WorkerServices services, Action<IMessage> report)
    {
        this.device = device;
        this.services = services;
        this.report = report;
        commands = new CommandThread(name, Fail);
        deliveries = new CommandThread($"{name}, states", Fail);
    }

    public void Prepare(int slot, Job job) => commands.Post(() =>
    {
        this.slot = slot;
        if (session is null)
        {
            if (Trace.Current is null) Trace.Attach(services.TraceFor(job)?.WorkerTrack(slot));
            if (job.Threads > 0) set_num_threads(job.Threads);
            plan = PlanOf(job);
            mesh = TcpMesh.Listen(services.Network?.Bind ?? IPAddress.Loopback, services.Network?.Security, services.Refused);
            session = new WorkerSession(job, plan, new Device(device), services.Data.Load(plan, job.DataFolder), services.OwnStep?.Invoke());
        }

        report(new WorkerPrepared
        {
            DataPlane = new Endpoint { Host = services.Network?.Host ?? IPAddress.Loopback.ToString(), Port = mesh!.Port },
            Position = session.Position.Clone(),
            Threads = get_num_threads(),
        });
    });

    public void Order(IMessage command)
    {
        var number = Interlocked.Increment(ref ordered);
        commands.Post(() => Work(() => Obey(command, number)));
    }

    private void Obey(IMessage command, int number)
    {
        switch (command)
        {
            case FormGeneration form: Form(form, number); break;
            case TrainEpoch train: Train(train); break;
            case Validate validate: Validate(validate); break;
            case DeliverState deliver: Deliver(deliver); break;
            case Finish finish: Finish(finish); break;
            default: throw new ArgumentOutOfRangeException(nameof(command), command, "No such command.");
        }
    }

    public void StopAtNextStep() => stopRequested = true;

    public void Halt(Halt command)
    {
        lock (gate)
        {
            // What was ordered before must not connect any more; what is ordered later may.
            (haltReason, haltedUpTo) = (command.Reason, Volatile.Read(ref ordered));
            connecting?.Cancel();
            collective?.Abort(command.Reason);
        }

        commands.Post(() =>
        {
            session?.Halt();
            report(new WorkerHalted { Round = command.Round, HasState = session is not null, Position = session?.Position.Clone() });
        });
    }

    public Heartbeat Beat(long generation)
    {
        var current = session;
        var (computing, waiting) = current?.StepSeconds ?? default;
        return new Heartbeat
        {
            Generation = generation,
            Step = current?.Position.Step ?? 0,
            Epoch = current?.Position.Epoch ?? 0,
            Activity = !working ? Activity.Standing : current is { IsReducing: true } ? Activity.Reducing : Activity.Computing,
            ImagesPerSecond = rates.ImagesPerSecond,
            Loss = rates.Loss,
            StepSeconds = computing,
            WaitSeconds = waiting,
            Progress = Interlocked.Read(ref progress),
        };
    }

    public void Dispose()
    {
        lock (gate)
        {
            (haltReason, haltedUpTo) = ("this worker is ending", int.MaxValue);
            connecting?.Cancel();
            collective?.Abort(haltReason);
        }

        commands.Post(() =>
        {
            session?.Dispose();
            mesh?.Dispose();
        });
        commands.Dispose();
        deliveries.Dispose();
    }

    private void Form(FormGeneration form, int number)
    {
        stopRequested = false;
        generation = form.Generation;
        slots = [.. form.Members.Select(static member => member.Slot)];
        using var cancelling = new CancellationTokenSource();
        lock (gate)
        {
            if (number <= haltedUpTo) throw new CollectiveException(haltReason);
            connecting = cancelling;
        }

        var joined = Connect(form, cancelling.Token);
        lock (gate)
        {
            collective = joined;
            if (number <= haltedUpTo) joined.Abort(haltReason);
        }

        session!.Enter(joined, form);
        report(new WorkerReady { Generation = generation, Position = session.Position.Clone(), Exchange = ExchangeNames.Of(joined.Transport) });
    }

    private ICollective Connect(FormGeneration form, CancellationToken cancellation)
    {
        try
        {
            return Join(form, cancellation);
        }
        finally
        {
            lock (gate)
            {
                connecting = null;
            }
        }
    }

    private void Train(TrainEpoch message)
    {
        var started = System.Diagnostics.Stopwatch.StartNew();
        var meter = new ProgressMeter(ProgressInterval);
        session!.Decide(message.Decided);
        var before = session.Position.Epoch == message.Epoch ? session.Position.Sums.Samples : 0;
        var stop = session.TrainEpoch(message.Epoch, () => stopRequested, step =>
        {
            Advance();
            if (meter.Count(step.Samples) is { } rate) rates = new Rates(rate, step.Loss);
        });
        report(new EpochTrained
        {
            Generation = generation,
            Epoch = message.Epoch,
            Step = session.Position.Step,
            Sums = session.Position.Sums.Clone(),
            Seconds = started.Elapsed.TotalSeconds,
            LearningRate = session.LearningRate,
            Stop = stop,
            Times = session.Times.Clone(),
            TimedSamples = session.Position.Sums.Samples - before,
        });
    }

    private void Validate(Validate message) =>
        report(new Validated { Generation = generation, Epoch = message.Epoch, Sums = session!.Validate(Advance) });

    private void Deliver(DeliverState message)
    {
        session!.Decide(message.Decided);
        var write = session.Capture(message.Content);
        deliveries.Post(() => report(HandOver(message, write)));
    }

    /// <summary>That nobody is there to take a state, or can keep it, is no failure of the worker's: it is whole, and may be needed to choose who leads.</summary>
    private StateDelivered HandOver(DeliverState message, Action<Stream> write)
    {
        var delivered = new StateDelivered { Name = message.Name, Token = message.Token };
        try
        {
            StateSender.Send(message.Receiver.Host, message.Receiver.Port, message.Token.Span, message.Name, write, services.Network?.Security);
        }
        catch (StateRefusedException e)
        {
            (delivered.Failure, delivered.Refused) = (e.Reason, true);
        }
        catch (IOException e)
        {
            delivered.Failure = e.Message;
        }

        return delivered;
    }

    private void Finish(Finish message)
    {
        session!.Decide(message.Decided);
        report(new WorkerFinished { Generation = generation, WeightsSha256 = session.Finish(message.RestoreBest) });
    }

    private void Work(Action work)
    {
        working = true;
        try
        {
            work();
        }
        finally
        {
            Advance();
            working = false;
        }
    }

    /// <summary>The thread has come on with something.</summary>
    private void Advance() => Interlocked.Increment(ref progress);

    /// <summary>The script was checked at home: here it can only be wrong if the two are not the same version.</summary>
    private TrainPlan PlanOf(Job job)
    {
        var result = Script.Training(new Source(job.TrainName, job.Script), job.TrainName, [], services.Catalogues);
        return result.Value?.Plan ?? throw new UserException($"This worker does not understand the run's script:\n{result.Text}");
    }

    private ICollective Join(FormGeneration form, CancellationToken cancellation)
    {
        var (rank, world) = (new Rank(slots.Index().First(e => e.Item == slot).Index), new WorldSize(slots.Count));
        if (form.OneProcess) return services.InProcess(rank, world, form.Token.Span);
        var endpoints = form.Members.Select(static member => (member.DataPlane.Host, member.DataPlane.Port)).ToList();
        return mesh!.Connect(rank, endpoints, form.Generation, form.Token.Memory, WorkerServices.ConnectPatience, WorkerServices.OperationPatience, cancellation: cancellation);
    }

    /// <summary>Between two steps every replica is whole: only one that was never built has no state to save.</summary>
    private void Fail(Exception exception)
    {
        var failure = WorkerFailures.Of(exception, slots);
        failure.Generation = generation;

        // Where it was thrown is for whoever mends it; the run's message says what it was.
        if (failure.Kind == FailureKind.Worker) services.Unexpected(exception);
        report(failure);
    }
}
