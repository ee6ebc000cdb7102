using System.Security.Cryptography;
using Akka.Actor;
using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Training;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination;

/// <summary>
/// Speaks for one worker: hosts its side of the protocol, a <see cref="WorkerMachine"/>, and hands its commands to the
/// worker's own thread. No training runs here.
/// </summary>
public sealed class WorkerActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(50);
    private readonly TimeProvider clock = TimeProvider.System;
    private readonly long started;
    private readonly ActorSelection home;
    private readonly IWorker worker;
    private readonly Action<IWorker, string> ended;
    private readonly WorkerMachine machine;
    private IActorRef? coordinator;

    private sealed record Tick
    {
        public static readonly Tick Now = new();
    }

    /// <summary>What the worker's own thread says, for the coordinator.</summary>
    private sealed record Report(IMessage Message);

    /// <param name="identity">Who this worker is.</param>
    /// <param name="coordinator">The path of the coordinator's actor.</param>
    /// <param name="create">Makes the worker; it reports through the action it is given, from its own thread.</param>
    /// <param name="ended">Called once with the worker, to dispose, when it is no longer needed, and the reason if it is a bad one, else empty.</param>
    public WorkerActor(WorkerIdentity identity, string coordinator, Func<Action<IMessage>, IWorker> create, Action<IWorker, string> ended)
    {
        this.ended = ended;
        started = clock.GetTimestamp();
        home = Context.ActorSelection(coordinator);
        var self = Self;
        worker = create(message => self.Tell(new Report(message)));
        machine = new WorkerMachine(identity, static () => ByteString.CopyFrom(RandomNumberGenerator.GetBytes(16)), TimeSpan.Zero);
        Receive<Tick>(_ => Handle(new WorkerInput.Tick()));
        Receive<Report>(report => Handle(new WorkerInput.Reported(report.Message)));
        Receive<Terminated>(gone => Lose(gone.ActorRef));
        Receive<IMessage>(Hear);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer("tick", Tick.Now, TimeSpan.Zero, TickInterval);

    protected override void PreRestart(Exception reason, object message)
    {
        ended(worker, $"the worker's actor failed on {message.GetType().Name}: {reason}");
        base.PreRestart(reason, message);
    }

    private void Hear(IMessage message)
    {
        if (message is WorkerAccepted && !Sender.Equals(coordinator))
        {
            coordinator = Sender;
            Context.Watch(coordinator);
        }

        Handle(new WorkerInput.Received(message));
    }

    private void Lose(IActorRef gone)
    {
        if (gone.Equals(coordinator)) Handle(new WorkerInput.HomeLost());
    }

    private void Handle(WorkerInput input)
    {
        foreach (var effect in machine.Handle(input, clock.GetElapsedTime(started)))
        {
            Do(effect);
        }
    }

    private void Do(WorkerEffect effect)
    {
        switch (effect)
        {
            case WorkerEffect.Send send: Say(send.Message); break;
            case WorkerEffect.Beat beat: Say(worker.Beat(beat.Generation)); break;
            case WorkerEffect.Prepare prepare: worker.Prepare(prepare.Slot, prepare.Job); break;
            case WorkerEffect.Order order: worker.Order(order.Command); break;
            case WorkerEffect.Halt halt: worker.Halt(halt.Command); break;
            case WorkerEffect.StopAtNextStep: worker.StopAtNextStep(); break;
            case WorkerEffect.End end: End(end.Reason); break;
            default: throw new ArgumentOutOfRangeException(nameof(effect), effect, "No such effect.");
        }
    }

    private void Say(IMessage message)
    {
        if (coordinator is null)
        {
            home.Tell(message);
        }
        else
        {
            coordinator.Tell(message);
        }
    }

    private void End(string reason)
    {
        Become(() => ReceiveAny(static _ => { }));
        Timers.CancelAll();
        ended(worker, reason);
        Context.Stop(Self);
    }
}
