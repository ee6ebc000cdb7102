using Akka.Actor;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Training;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination;

/// <summary>Who a worker is when it registers.</summary>
public sealed record WorkerIdentity(byte[] JoinToken, int Slot, string Host, string Device);

/// <summary>
/// Speaks for one worker: registers with the coordinator and hands its commands to the worker's own thread.
/// No training runs here.
/// </summary>
/// <remarks>States: Registering → Working → stopped.</remarks>
public sealed class WorkerActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan RegisterInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RegisterPatience = TimeSpan.FromSeconds(60);
    private readonly WorkerIdentity identity;
    private readonly ActorSelection home;
    private readonly IWorker worker;
    private readonly Action<IWorker, string> ended;
    private readonly DateTime started = DateTime.UtcNow;
    private long generation;

    private sealed record Register
    {
        public static readonly Register Now = new();
    }

    /// <summary>What the worker's own thread says, for the coordinator.</summary>
    private sealed record Report(IMessage Message);

    /// <param name="identity">Who this worker is.</param>
    /// <param name="coordinator">The path of the coordinator's actor.</param>
    /// <param name="create">Makes the worker; it reports through the action it is given, from its own thread.</param>
    /// <param name="ended">Called once with the worker, to dispose, when it is no longer needed, and the reason if it is a bad one, else empty.</param>
    public WorkerActor(WorkerIdentity identity, string coordinator, Func<Action<IMessage>, IWorker> create, Action<IWorker, string> ended)
    {
        this.identity = identity;
        this.ended = ended;
        home = Context.ActorSelection(coordinator);
        var self = Self;
        worker = create(message => self.Tell(new Report(message)));
        Become(Registering);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer("register", Register.Now, TimeSpan.Zero, RegisterInterval);

    protected override void PreRestart(Exception reason, object message)
    {
        ended(worker, $"the worker's actor failed on {message.GetType().Name}: {reason}");
        base.PreRestart(reason, message);
    }

    private void Registering()
    {
        Receive<Register>(_ =>
        {
            home.Tell(new RegisterWorker
            {
                JoinToken = ByteString.CopyFrom(identity.JoinToken),
                Slot = identity.Slot,
                Host = identity.Host,
                ProcessId = Environment.ProcessId,
                Device = identity.Device,
            });
            if (DateTime.UtcNow - started > RegisterPatience)
            {
                End($"no coordinator answered within {RegisterPatience.TotalSeconds:0} s");
            }
        });
        Receive<WorkerRefused>(refusal => End($"the run refused this worker: {refusal.Reason}"));
        Receive<WorkerAccepted>(_ =>
        {
            Timers.Cancel("register");
            Context.Watch(Sender);
            var coordinator = Sender;
            Become(() => Working(coordinator));
        });
    }

    private void Working(IActorRef coordinator)
    {
        Receive<Prepare>(message =>
        {
            generation = message.Generation;
            worker.Prepare(message);
        });
        On<FormGeneration>(worker.Form);
        On<TrainEpoch>(worker.Train);
        On<Validate>(worker.Validate);
        On<EpochDecided>(worker.Decide);
        On<DeliverState>(worker.Deliver);
        On<Finish>(worker.Finish);
        On<StopAtNextStep>(_ => worker.StopAtNextStep());
        On<Abandon>(worker.Abandon);
        Receive<Dismiss>(_ => End(""));
        Receive<Terminated>(_ => End("the run's home is gone"));
        Receive<WorkerAccepted>(static _ => { });

        Receive<Report>(report => coordinator.Tell(report.Message));
    }

    private void On<T>(Action<T> handle)
        where T : IOfGeneration =>
        Receive<T>(message => message.Generation == generation, handle);

    private void End(string reason)
    {
        Become(() => ReceiveAny(static _ => { }));
        ended(worker, reason);
        Context.Stop(Self);
    }
}
