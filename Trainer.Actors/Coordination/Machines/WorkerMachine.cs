using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>
/// A worker's side of the protocol: registers, hands the coordinator's commands to the thread that trains, each of them once,
/// and its answers to the coordinator, again where one may have been lost.
/// </summary>
/// <remarks>
/// States: Registering → Preparing → Standing → in a generation; after an expulsion, and with another coordinator, Registering
/// again. Where the coordinator is silent, a <see cref="Succession"/> decides on another.
/// </remarks>
public sealed partial class WorkerMachine
{
    /// <summary>Time comes several times a second: behind a longer gap this process itself has stood still.</summary>
    private static readonly TimeSpan MostBetweenInputs = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RegisterInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RegisterPatience = TimeSpan.FromSeconds(60);
    private const int FirstAsksHome = 8;
    private static readonly TimeSpan BeatInterval = TimeSpan.FromMilliseconds(250);
    private readonly WorkerIdentity identity;
    private readonly Func<ByteString> newIncarnation;
    private readonly List<WorkerEffect> effects = [];
    private readonly Succession succession;
    private TimeSpan now;
    private TimeSpan registering;
    private TimeSpan? nextBeat;
    private bool accepted;
    /// <summary>The states that were asked for in this generation, and whether they have gone; of best weights, which ones.</summary>
    private readonly Dictionary<string, (long BestStep, bool HasGone)> deliveries = new(StringComparer.Ordinal);
    private bool hasFailed;

    /// <summary>Its failure, where the coordinator is not told of it unless it speaks again.</summary>
    private IMessage? withheld;

    /// <summary>What it said when its replica was built, or could not be; said again until it is part of a generation.</summary>
    private IMessage? prepared;
    private bool ended;

    /// <summary>Why it ends, as soon as its state is kept.</summary>
    private string? leaving;

    /// <summary>States that are still to be kept then.</summary>
    private readonly List<(string Name, ByteString Token)> keeping = [];

    /// <summary>
    /// The control paths of those that it was last part of a generation with, or that were there when it came: they know where
    /// the coordinator is.
    /// </summary>
    private IReadOnlyList<string> peers;
    private int asked;
    private FormGeneration? forming;
    private long generation;
    private long round;
    private (string Kind, long Generation, int Epoch) command;

    /// <summary>The answer to the last command, until there is another one.</summary>
    private IMessage? answer;

    /// <param name="identity">Who it is.</param>
    /// <param name="newIncarnation">Makes 16 random bytes.</param>
    /// <param name="now">The time of the first input.</param>
    public WorkerMachine(WorkerIdentity identity, Func<ByteString> newIncarnation, TimeSpan now)
    {
        this.identity = identity;
        this.newIncarnation = newIncarnation;
        succession = new Succession(identity, effects, now) { Incarnation = newIncarnation() };
        (this.now, registering, peers) = (now, now, identity.Peers);
    }

    /// <summary>The term of the coordinator that it follows.</summary>
    public long Term => succession.Term;

    /// <summary>The control paths of the workers that it was last part of a generation with, or that were there when it came.</summary>
    public IReadOnlyList<string> Peers => peers;

    /// <summary>The last generation that it was formed into.</summary>
    public long Generation => generation;

    /// <summary>Its number in the run; null until it has been taken in.</summary>
    public int? Slot { get; private set; }

    /// <summary>Whether it has a part in a generation that works.</summary>
    public bool IsAtWork => command.Kind is "train" or "validate" or "finish";

    /// <summary>Takes what happens, and says what is to be done about it.</summary>
    public IReadOnlyList<WorkerEffect> Handle(WorkerInput input, TimeSpan at)
    {
        var gap = at - now > MostBetweenInputs ? at - now : TimeSpan.Zero;
        succession.Advance(at, gap);
        (now, registering, left) = (at, registering + gap, left + gap);
        effects.Clear();
        if (ended || (leaving is not null && !IsOfLeaving(input))) return [];
        switch (input)
        {
            case WorkerInput.Received received: Receive(received.Message); break;
            case WorkerInput.Reported reported: Report(reported.Message); break;
            case WorkerInput.FromPeer peer: Consult(peer.Message); break;
            case WorkerInput.HomeLost: LoseCoordinator(); break;
            case WorkerInput.Leads leads: succession.Leads(leads.Term, leads.Coordinator); Rehome(); break;
            case WorkerInput.CannotLead cannot: succession.Decline(cannot.Term); break;
            case WorkerInput.KeepsAt keeps: Keep(keeps.Deliveries); break;
            case WorkerInput.CannotKeep cannot: End($"{leaving}; its state could not be kept: {cannot.Reason}"); break;
            case WorkerInput.Tick: Tick(); break;
            default: throw new ArgumentOutOfRangeException(nameof(input), input, "No such input.");
        }

        // Most of what happens, time above all, has nothing done.
        return effects.Count == 0 ? [] : [.. effects];
    }

    /// <summary>One that leaves takes part in nothing any more: a vote of its would be that of a member which is not there.</summary>
    private static bool IsOfLeaving(WorkerInput input) =>
        input is WorkerInput.Reported or WorkerInput.Leads or WorkerInput.KeepsAt or WorkerInput.CannotKeep or WorkerInput.Tick;

    private void Tick()
    {
        if (leaving is not null)
        {
            succession.Regret();
            if (now - left > KeepPatience) End($"{leaving}; its state could not be kept within {KeepPatience.TotalMinutes:0} min");
            return;
        }

        succession.Tick();
        if (succession.OwnWord is { } word) Consult(word);
        if ((accepted || succession.Waits || succession.IsVacant) && succession.IsForsaken)
        {
            Leave();
            return;
        }

        if (succession.IsReleased) ComeAnew("another coordinator was to be chosen, and was not");
        if (withheld is { } failure && !succession.MayVote)
        {
            withheld = null;
            Report(failure);
        }

        if (!accepted)
        {
            Register();
            return;
        }

        if (now >= nextBeat)
        {
            nextBeat = now + BeatInterval;
            effects.Add(new WorkerEffect.Beat(generation));
            if (succession is { MayStand: false, IsSilent: true } && CanAsk) Ask(++asked, Registration());
            if (prepared is not null && command == default) effects.Add(new WorkerEffect.Send(prepared));
        }
    }

    private void Register()
    {
        if (now - registering > RegisterPatience)
        {
            if (succession.Waits) Leave();
            else End($"no coordinator answered within {RegisterPatience.TotalSeconds:0} s");
            return;
        }

        if (now < nextBeat) return;
        nextBeat = now + RegisterInterval;
        var registration = Registration();
        effects.Add(new WorkerEffect.Send(registration));

        // Where nobody answers, another may lead by now.
        if (++asked > FirstAsksHome && peers.Count > 0) Ask(asked, registration);
    }

    private RegisterWorker Registration() => new()
    {
        JoinToken = ByteString.CopyFrom(identity.JoinToken),
        Slot = identity.Slot,
        Host = identity.Host,
        ProcessId = identity.ProcessId,
        Device = identity.Device,
        Share = identity.Share,
        Incarnation = succession.Incarnation,
        Control = identity.Control,
        Generation = generation,
        MayLead = identity.MayLead,
        Process = identity.Process,
        Versions = { identity.Versions.ToDictionary(StringComparer.Ordinal) },
    };

    private void Receive(IMessage message)
    {
        if (message is SteppedDown resignation)
        {
            Seek(resignation);
            return;
        }

        succession.Hear();
        if (succession.IsFenced)
        {
            effects.Add(new WorkerEffect.Send(new Superseded { Term = succession.Voted }));
            return;
        }

        switch (message)
        {
            case WorkerAccepted welcome: Prepare(welcome); break;
            case WorkerRefused refusal: End($"the run refused this worker: {refusal.Reason}"); break;
            case Expelled expelled: Return(expelled); break;
            case Dismiss dismissal: End(dismissal.Reason); break;
            case Halt halt: Stop(halt); break;
            case FormGeneration form when !IsIn(form): effects.Add(new WorkerEffect.Send(Registration())); break;
            case FormGeneration form when form.Generation > generation: Join(form); break;
            case StopAtNextStep stop when stop.Generation == generation: effects.Add(new WorkerEffect.StopAtNextStep()); break;
            case DeliverState deliver when CanDeliver(deliver): Deliver(deliver); break;
            case FormGeneration form: Obey("form", form.Generation, 0, form); break;
            case TrainEpoch train: Obey("train", train.Generation, train.Epoch, train); break;
            case Validate validate: Obey("validate", validate.Generation, validate.Epoch, validate); break;
            case Finish finish: Obey("finish", finish.Generation, 0, finish); break;
            default: break;
        }
    }

    /// <summary>A data set is read and a replica built once, however often the coordinator says that the worker is taken in.</summary>
    private void Prepare(WorkerAccepted welcome)
    {
        if (accepted) return;
        accepted = true;
        Slot = welcome.Slot;
        peers = [.. OthersOf(welcome.Peers).Union(peers)];
        nextBeat = now;
        succession.Accept(welcome.Term);
        effects.Add(new WorkerEffect.Prepare(welcome.Slot, welcome.Job));
    }

    /// <summary>The coordinator has given it up, as after a pause: what it was part of has gone on without it, and it comes anew.</summary>
    private void Return(Expelled expelled)
    {
        if (!accepted) return;
        if (hasFailed)
        {
            End($"the run has given this worker up: {expelled.Reason}");
            return;
        }

        ComeAnew($"the run has given this worker up: {expelled.Reason}");
    }

    /// <summary>As a newcomer: what it was part of goes on without it.</summary>
    private void ComeAnew(string reason)
    {
        Register(reason);
        Renew();
    }

    private void Renew()
    {
        succession.Incarnation = newIncarnation();
        succession.Leave();
    }

    /// <summary>Registers with the coordinator of now; what is under way is given up.</summary>
    private void Register(string reason)
    {
        effects.Add(new WorkerEffect.Halt(new Halt { Round = 0, Reason = reason }));
        (accepted, answer, withheld, prepared, command) = (false, null, null, null, default);
        registering = now;
        nextBeat = now;
        asked = 0;
    }

    /// <summary>What peers say may bring another coordinator.</summary>
    private void Consult(IMessage message)
    {
        if (message is FollowCoordinator follow && succession.IsReleasedTo(follow)) Renew();
        succession.Receive(message);
        Rehome();
    }

    /// <summary>The member that it is, with the state that it has, goes over to another coordinator.</summary>
    private void Rehome()
    {
        if (!effects.OfType<WorkerEffect.Follow>().Any()) return;
        Register("another coordinator leads the run");
        deliveries.Clear();
        round = 0;
    }

    private void End(string reason)
    {
        ended = true;
        effects.Add(new WorkerEffect.End(reason));
    }
}
