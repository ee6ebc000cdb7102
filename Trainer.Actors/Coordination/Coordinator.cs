using System.Security.Cryptography;
using Akka.Actor;
using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination;

/// <summary>
/// Leads a run: gathers the workers, forms them into a generation, and takes them through its epochs.
/// It decides and waits; it takes no part in a step.
/// </summary>
/// <remarks>States: Forming → Training → Validating → (Training …) → Finishing, and from any of them Failing.</remarks>
public sealed partial class Coordinator : ReceiveActor, IWithTimers
{
    /// <summary>What this actor receives from its own process; from workers it receives the control plane's messages.</summary>
    public interface IMessage;

    /// <summary>The operating system says that a worker process is gone.</summary>
    public sealed record ProcessLost(int ProcessId, int ExitCode) : IMessage;

    /// <summary>The user asks to stop at the next step.</summary>
    public sealed record Interrupt : IMessage;

    private sealed record PatienceEnded : IMessage
    {
        public static readonly PatienceEnded Instance = new();
    }

    private readonly RunSettings settings;
    private readonly IActorRef hub;
    private readonly Action<RunOutcome> conclude;
    private readonly Roster roster;
    private readonly IActorRef earlyStopping;
    private readonly HashSet<string> deliveries = [];
    private long generation;
    private long step;
    private EarlyStoppingState best;
    private PlateauState plateau;
    private EpochMetrics? metrics;
    private EpochMetrics? bestMetrics;
    private string? lastCheckpoint;
    private bool interrupted;

    /// <param name="settings">The run.</param>
    /// <param name="hub">Receives every <see cref="IRunEvent"/>.</param>
    /// <param name="conclude">Called once, at the end.</param>
    public Coordinator(RunSettings settings, IActorRef hub, Action<RunOutcome> conclude)
    {
        this.settings = settings;
        this.hub = hub;
        this.conclude = conclude;
        best = settings.EarlyStoppingState;
        plateau = settings.PlateauState;
        roster = new Roster(settings.World, settings.JoinToken);
        earlyStopping = Context.ActorOf(
            Props.Create(() => new EarlyStoppingSupervisor(settings.EarlyStopping, settings.EarlyStoppingState)), "early-stopping");
        Become(Forming);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>A coordinator that threw has lost its place: the run ends, and says why.</summary>
    protected override void PreRestart(Exception reason, object message)
    {
        TellAll(new Dismiss());
        conclude(Failed($"the coordinator failed on {message.GetType().Name}: {reason}"));
        base.PreRestart(reason, message);
    }

    private IEnumerable<int> Ranks => Enumerable.Range(0, settings.World);

    // ---- Forming: workers register, build their replicas, and connect ----

    private void Forming()
    {
        var prepared = new RollCall<Endpoint>(Ranks);
        var ready = new RollCall<Position>(Ranks);
        WaitAtMost(settings.FormingPatience, () => $"{roster.Count} of {settings.World} workers came");
        Receive<RegisterWorker>(Welcome);
        On<WorkerPrepared>(message =>
        {
            if (prepared.Answer(message.Rank, message.DataPlane))
            {
                var form = new FormGeneration { Generation = generation, Token = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(16)) };
                form.DataPlanes.AddRange(prepared.InRankOrder);
                TellAll(form);
            }
        });
        On<WorkerReady>(message =>
        {
            if (ready.Answer(message.Rank, message.Position))
            {
                step = message.Position.Step;
                hub.Tell(new RunStarted(settings.Parameters, roster.InRankOrder, settings.Job.Threads));
                Train(settings.FirstEpoch);
            }
        });
        Always();
    }

    private void Welcome(RegisterWorker registration)
    {
        if (roster.Register(registration, Sender) is { } refusal)
        {
            Sender.Tell(new WorkerRefused { Reason = refusal });
            return;
        }

        Context.Watch(Sender);
        Sender.Tell(new WorkerAccepted());
        if (roster.IsFull && generation == 0)
        {
            generation = 1;
            foreach (var (rank, entry) in roster.InRankOrder.Index())
            {
                entry.Worker.Tell(new Prepare
                {
                    Generation = generation,
                    Rank = rank,
                    World = settings.World,
                    Job = settings.Job,
                    OneProcess = roster.IsOneProcess,
                });
            }
        }
    }

    // ---- Training one epoch ----

    private void Train(int epoch)
    {
        var trained = new RollCall<EpochTrained>(Ranks);
        TellAll(new TrainEpoch { Generation = generation, Epoch = epoch });
        Become(Training);

        void Training()
        {
            WaitAtMost(settings.Silence, () => $"training epoch {epoch}; no word from rank {string.Join(", ", trained.Missing)}");
            On<EpochTrained>(message =>
            {
                step = Math.Max(step, message.Step);
                if (trained.Answer(message.Rank, message))
                {
                    EndTraining(trained.Answers[0]);
                }
            });
            Always();
        }
    }

    private void EndTraining(EpochTrained trained)
    {
        if (trained.Stop == StopCause.StopRequested)
        {
            Finish(StopReason.Interrupted, restoreBest: false);
        }
        else
        {
            Validate(trained);
        }
    }

    // ---- Validating it ----

    private void Validate(EpochTrained trained)
    {
        var validated = new RollCall<EpochSums>(Ranks);
        TellAll(new Validate { Generation = generation, Epoch = trained.Epoch });
        Become(Validating);

        void Validating()
        {
            WaitAtMost(settings.Silence, () => $"validating epoch {trained.Epoch}; no word from rank {string.Join(", ", validated.Missing)}");
            On<Validated>(message =>
            {
                if (validated.Answer(message.Rank, message.Sums))
                {
                    metrics = EpochMetrics.From(trained, validated.InRankOrder, settings.FigureNames, settings.RegularizedNames);
                    earlyStopping.Tell(new EarlyStoppingSupervisor.EpochMeasured(trained.Epoch, metrics[settings.Monitor]));
                }
            });
            Receive<EarlyStoppingSupervisor.EpochJudged>(judged => Decide(judged, trained.Stop));
            Always();
        }
    }

    private void Decide(EarlyStoppingSupervisor.EpochJudged judged, StopCause stop)
    {
        best = judged.Decision.State;
        bestMetrics = judged.Decision.KeepAsBest ? metrics : bestMetrics;
        plateau = settings.Plateau is { } watched ? PlateauRule.Decide(watched, plateau, metrics![watched.Monitor]) : plateau;
        hub.Tell(new EpochEnded(metrics!, judged.Decision));
        TellAll(new EpochDecided
        {
            Generation = generation,
            Epoch = judged.Epoch,
            KeepAsBest = judged.Decision.KeepAsBest,
            EarlyStopping = judged.Decision.State,
            Plateau = plateau,
        });
        Request(StateNames.Checkpoint(step, judged.Decision.KeepAsBest), StateContent.Checkpoint);
        Request(StateNames.Histograms(judged.Epoch), StateContent.Histograms);
        switch (judged.Decision.Stop, stop, judged.Epoch >= settings.Epochs)
        {
            case (true, _, _): Finish(StopReason.EarlyStop, settings.RestoreBest); break;
            case (_, StopCause.StepLimit, _): Finish(StopReason.Steps, settings.RestoreBest); break;
            case (_, _, true): Finish(StopReason.Epochs, settings.RestoreBest); break;
            default: Next(judged.Epoch + 1); break;
        }
    }

    private void Next(int epoch)
    {
        if (interrupted)
        {
            Finish(StopReason.Interrupted, restoreBest: false);
        }
        else
        {
            Train(epoch);
        }
    }
}
