using System.Security.Cryptography;
using Akka.Actor;
using Akka.Cluster;
using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Observation;
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
    private readonly IWorker worker;
    private readonly WorkerSeat seat;
    private readonly IStandby? standby;
    private readonly Action<string> ended;
    private readonly WorkerMachine machine;
    private readonly WorkerWatch watch;

    /// <summary>Those that led before, which may not know yet that they do not.</summary>
    private readonly HashSet<IActorRef> former = [];
    private ActorSelection home;
    private IActorRef? coordinator;
    private Job? job;

    private sealed record Tick
    {
        public static readonly Tick Now = new();
    }

    /// <summary>A coordinator that nobody follows has not ended.</summary>
    private sealed record StillLeads(string Reason);

    /// <summary>What the worker's own thread says, for the coordinator.</summary>
    private sealed record Report(IMessage Message);

    /// <param name="identity">Who this worker is.</param>
    /// <param name="coordinator">The path of the coordinator's actor.</param>
    /// <param name="seat">The worker, which outlives this actor.</param>
    /// <param name="standby">Leads the run where a majority of its workers wants this process to; null for a process that may not.</param>
    /// <param name="observation">Takes what it does, for logs and health.</param>
    /// <param name="ended">Called once when the worker is no longer needed, with the reason if it is a bad one, else empty.</param>
    public WorkerActor(WorkerIdentity identity, string coordinator, WorkerSeat seat, IStandby? standby, ProcessObservation observation, Action<string> ended)
    {
        this.ended = ended;
        this.standby = standby;
        this.seat = seat;
        worker = seat.Worker;
        started = clock.GetTimestamp();
        home = Context.ActorSelection(coordinator);
        var self = Self;
        seat.Take(message => self.Tell(new Report(message)));
        machine = new WorkerMachine(identity, static () => ByteString.CopyFrom(RandomNumberGenerator.GetBytes(16)), TimeSpan.Zero);
        watch = new WorkerWatch(Self.Path.Name, machine, observation);
        Receive<Tick>(_ => Handle(new WorkerInput.Tick()));
        Receive<StillLeads>(still => watch.StillLeads(still.Reason));
        Receive<Report>(report => Handle(new WorkerInput.Reported(report.Message)));
        Receive<Terminated>(gone => Lose(gone.ActorRef));
        Receive<RegisterWorker>(_ => Direct(Sender));
        Receive<RequestVote>(request => Handle(new WorkerInput.FromPeer(request)));
        Receive<Vote>(vote => Handle(new WorkerInput.FromPeer(vote)));
        Receive<FollowCoordinator>(Consult);
        Receive<WorkerInput>(Handle);
        Receive<IMessage>(Hear);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer("tick", Tick.Now, TimeSpan.Zero, TickInterval);

    protected override void PostStop() => watch.End();

    protected override void PreRestart(Exception reason, object message)
    {
        ended($"the worker's actor failed on {message.GetType().Name}: {reason}");
        base.PreRestart(reason, message);
    }

    private void Hear(IMessage message)
    {
        if (former.Contains(Sender))
        {
            Sender.Tell(new Superseded { Term = machine.Term });
            return;
        }

        if (message is WorkerAccepted welcome && !Sender.Equals(coordinator))
        {
            if (welcome.Term < machine.Term) return;
            coordinator = Sender;
            Context.Watch(coordinator);
        }

        Handle(new WorkerInput.Received(message));
    }

    /// <summary>What leads to nobody would have this worker forget the coordinator that it has.</summary>
    private void Consult(FollowCoordinator follow)
    {
        if (MessageChecks.FlawOf(follow) is { } flaw) watch.Ignores(Sender, flaw);
        else Handle(new WorkerInput.FromPeer(follow));
    }

    /// <summary>A worker asks where the coordinator is: its own is not there any more.</summary>
    private void Direct(ICanTell peer)
    {
        if (coordinator is not null) peer.Tell(new FollowCoordinator { Term = machine.Term, Coordinator = Whole(coordinator) }, Self);
    }

    private static string Whole(IActorRef actor) => actor.Path.ToStringWithAddress(Cluster.Get(Context.System).SelfAddress);

    private void Follow(string path)
    {
        if (coordinator is not null)
        {
            Context.Unwatch(coordinator);
            former.Add(coordinator);
        }

        coordinator = null;
        home = Context.ActorSelection(path);
        seat.Coordinator = path;
    }

    private void Lose(IActorRef gone)
    {
        if (gone.Equals(coordinator)) Handle(new WorkerInput.HomeLost());
    }

    private void Handle(WorkerInput input)
    {
        if (input is WorkerInput.CannotLead cannot) watch.CannotLead(cannot.Reason);
        var effects = machine.Handle(input, clock.GetElapsedTime(started));
        watch.Note(worker.Beat(machine.Generation), effects);
        foreach (var effect in effects)
        {
            Do(effect);
        }

        seat.Peers = machine.Peers;
    }

    private void Do(WorkerEffect effect)
    {
        switch (effect)
        {
            case WorkerEffect.Send send: Say(send.Message); break;
            case WorkerEffect.Beat beat: Say(worker.Beat(beat.Generation)); break;
            case WorkerEffect.Prepare prepare: Prepare(prepare); break;
            case WorkerEffect.Order order: worker.Order(order.Command); break;
            case WorkerEffect.Halt halt: worker.Halt(halt.Command); break;
            case WorkerEffect.StopAtNextStep: worker.StopAtNextStep(); break;
            case WorkerEffect.Tell peer: Context.ActorSelection(peer.Path).Tell(peer.Message); break;
            case WorkerEffect.Direct direct: Direct(Context.ActorSelection(direct.Peer)); break;
            case WorkerEffect.Follow follow: Follow(follow.Coordinator); break;
            case WorkerEffect.Lead lead: Lead(lead.Mandate); break;
            case WorkerEffect.Retire retire: Retire(retire.Term); break;
            case WorkerEffect.Keep keep: Keep(keep.Position); break;
            case WorkerEffect.End end: End(end.Reason); break;
            default: throw new ArgumentOutOfRangeException(nameof(effect), effect, "No such effect.");
        }
    }

    private void Prepare(WorkerEffect.Prepare prepare)
    {
        job = prepare.Job;
        seat.WasAccepted = true;
        worker.Prepare(prepare.Slot, prepare.Job);
    }

    private void Lead(Mandate mandate) => standby!.LeadAsync(mandate, job!).PipeTo(
        Self, success: path => new WorkerInput.Leads(mandate.Term, path), failure: reason => new WorkerInput.CannotLead(mandate.Term, reason.Message));

    private void Retire(long term) => standby!.RetireAsync(term).PipeTo(
        Self, success: static () => Tick.Now, failure: static reason => new StillLeads(reason.Message));

    private void Keep(Position position) => standby!.KeepAsync(job!, position).PipeTo(
        Self, success: static places => new WorkerInput.KeepsAt(places), failure: static reason => new WorkerInput.CannotKeep(reason.Message));

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
        ended(reason);
        Context.Stop(Self);
    }
}
