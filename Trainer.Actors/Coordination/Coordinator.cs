using System.Net.Sockets;
using System.Security.Cryptography;
using Akka.Actor;
using Akka.Cluster;
using Akka.Remote;
using CnnCluster.Trainer.ControlPlane;
using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Observation;
using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination;

/// <summary>Hosts a run's <see cref="CoordinatorMachine"/>: brings it what happens and the time, and does what it wants done.</summary>
public sealed class Coordinator : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>From the end of a process' connection to the question whether it still listens: it closes one socket after the other.</summary>
    private static readonly TimeSpan Closing = TimeSpan.FromMilliseconds(100);

    /// <summary>For the answer; a host that is gone gives none.</summary>
    private static readonly TimeSpan Answer = TimeSpan.FromSeconds(2);
    private readonly TimeProvider clock = TimeProvider.System;
    private readonly long started;
    private readonly CoordinatorMachine machine;
    private readonly CoordinatorWatch watch;
    private readonly ProcessObservation observation;
    private readonly IActorRef hub;
    private readonly IActorRef earlyStopping;
    private readonly Action<RunOutcome> conclude;
    private readonly HashSet<Address> removed = [];

    /// <summary>What this actor receives from its own process; from workers it receives the control plane's messages.</summary>
    public interface IMessage;

    /// <summary>The operating system says that a worker process is gone.</summary>
    public sealed record ProcessLost(int ProcessId, int ExitCode) : IMessage;

    /// <summary>The user asks to stop at the next step.</summary>
    public sealed record Interrupt : IMessage;

    /// <summary>The cluster has had no sign of a process for a while. One whose workers this coordinator hears of is not taken out of it, nor is any by one that leads no more.</summary>
    public sealed record OutOfReach(Address Process) : IMessage;

    /// <summary>The cluster has taken a process out for good. Should it live, its workers come by another control plane.</summary>
    public sealed record Removed(Address Process) : IMessage;

    /// <summary>The cluster has taken a process in.</summary>
    public sealed record Admitted(Address Process) : IMessage;

    /// <summary>Nobody listens where this process did.</summary>
    private sealed record Refused(Address Process) : IMessage;

    private sealed record Tick : IMessage
    {
        public static readonly Tick Now = new();
    }

    /// <param name="settings">The run.</param>
    /// <param name="hub">Receives every <see cref="IRunEvent"/>.</param>
    /// <param name="conclude">Called once, at the end.</param>
    /// <param name="observation">Takes what it does, for logs and health.</param>
    /// <param name="mandate">Of one that takes the run over; null for the first.</param>
    public Coordinator(RunSettings settings, IActorRef hub, Action<RunOutcome> conclude, ProcessObservation observation, Mandate? mandate = null)
    {
        this.observation = observation;
        this.hub = hub;
        this.conclude = conclude;
        started = clock.GetTimestamp();
        machine = mandate is null
            ? new CoordinatorMachine(settings, NewToken, TimeSpan.Zero)
            : new CoordinatorMachine(settings, NewToken, TimeSpan.Zero, mandate);
        watch = new CoordinatorWatch(machine, observation);
        earlyStopping = Context.ActorOf(
            Props.Create(() => new EarlyStoppingSupervisor(settings.EarlyStopping)), "early-stopping");
        Receive<Tick>(_ => Handle(new CoordinatorInput.Tick()));
        Receive<ProcessLost>(lost => Handle(new CoordinatorInput.ProcessLost(lost.ProcessId, lost.ExitCode)));
        Receive<Interrupt>(_ => Handle(new CoordinatorInput.Interrupt()));
        Receive<OutOfReach>(lost => Down(lost.Process));
        Receive<Removed>(lost => removed.Add(lost.Process));
        Receive<Admitted>(come => removed.Remove(come.Process));
        Receive<DisassociatedEvent>(broken => Disconnect(broken.RemoteAddress));
        Receive<Refused>(refused => Refuse(refused.Process));
        Receive<Terminated>(Lose);
        Receive<EarlyStoppingSupervisor.EpochJudged>(judged => Handle(new CoordinatorInput.Judged(judged.Epoch, judged.Decision)));
        Receive<Google.Protobuf.IMessage>(Hear);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(DisassociatedEvent));
        Timers.StartPeriodicTimer("tick", Tick.Now, TickInterval, TickInterval);
    }

    protected override void PostStop()
    {
        Context.System.EventStream.Unsubscribe(Self);
        observation.Status.ForgetLead();
    }

    /// <summary>A coordinator that threw has lost its place: the run ends, and says why.</summary>
    protected override void PreRestart(Exception reason, object message)
    {
        Do(machine.Fail($"the coordinator failed on {message.GetType().Name}: {reason}"));
        base.PreRestart(reason, message);
    }

    private void Down(Address process)
    {
        if (machine.IsOutvoted || ChannelsOf(process).Any()) return;
        removed.Add(process);
        Cluster.Get(Context.System).Down(process);
    }

    /// <summary>A connection of the control plane has ended, as the other process' sockets do with it.</summary>
    private void Disconnect(Address process)
    {
        foreach (var channel in ChannelsOf(process).ToList())
        {
            watch.Disconnected(channel);
            Handle(new CoordinatorInput.ChannelBroken(channel));
        }

        if (ChannelsOf(process).Any()) _ = AskAsync(process, Self);
    }

    /// <summary>Says where the host refuses a connection to the process: it knows that nobody listens there, which silence does not say.</summary>
    private static async Task AskAsync(Address process, IActorRef coordinator)
    {
        await Task.Delay(Closing);
        using var patience = new CancellationTokenSource(Answer);
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(ControlPlaneTransport.HostOf(process), process.Port!.Value, patience.Token);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            coordinator.Tell(new Refused(process));
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            // That it is not reached says nothing of it.
        }
    }

    private void Refuse(Address process)
    {
        foreach (var channel in ChannelsOf(process).ToList())
        {
            watch.Refused(channel);
            Handle(new CoordinatorInput.ChannelRefused(channel));
        }
    }

    private IEnumerable<object> ChannelsOf(Address process) =>
        machine.Channels.Where(channel => ((IActorRef)channel).Path.Address.Equals(process));

    /// <summary>
    /// Whether the actor's own process says that it has ended. That a whole process is gone, Akka here concludes; and of an actor
    /// whose process it does not send to for a while, it answers a watch that nobody is there.
    /// </summary>
    internal static bool IsOfItsOwnProcess(Terminated lost) => lost.ExistenceConfirmed && !lost.AddressTerminated;

    private void Lose(Terminated lost)
    {
        if (IsOfItsOwnProcess(lost))
        {
            Handle(new CoordinatorInput.ChannelLost(lost.ActorRef));
        }
        else
        {
            watch.Doubts(lost.ActorRef);
            Handle(new CoordinatorInput.ChannelDoubted(lost.ActorRef));
        }
    }

    private static ByteString NewToken() => ByteString.CopyFrom(RandomNumberGenerator.GetBytes(16));

    /// <summary>
    /// A process that the cluster has given up, and that lives, speaks by its old control plane until it learns of that. A worker that
    /// were taken in by it would be lost again as soon as it comes by its new one.
    /// </summary>
    private void Hear(Google.Protobuf.IMessage message)
    {
        if (message is RegisterWorker && removed.Contains(Sender.Path.Address))
        {
            watch.Ignores(Sender);
            return;
        }

        watch.Heard(Sender, message);
        Handle(new CoordinatorInput.Received(Sender, message));
    }

    private void Handle(CoordinatorInput input) => Do(machine.Handle(input, clock.GetElapsedTime(started)));

    private void Do(IReadOnlyList<CoordinatorEffect> effects)
    {
        watch.Note(effects);
        foreach (var effect in effects)
        {
            switch (effect)
            {
                case CoordinatorEffect.Send send: ((IActorRef)send.Channel).Tell(send.Message); break;
                case CoordinatorEffect.Watch watch: Context.Watch((IActorRef)watch.Channel); break;
                case CoordinatorEffect.Unwatch unwatch: Context.Unwatch((IActorRef)unwatch.Channel); break;
                case CoordinatorEffect.Publish publish: hub.Tell(publish.Event); break;
                case CoordinatorEffect.Judge judge: earlyStopping.Tell(new EarlyStoppingSupervisor.EpochMeasured(judge.Epoch, judge.Value, judge.State)); break;
                case CoordinatorEffect.Conclude end: conclude(end.Outcome); break;
                default: throw new ArgumentOutOfRangeException(nameof(effects), effect, "No such effect.");
            }
        }
    }
}
