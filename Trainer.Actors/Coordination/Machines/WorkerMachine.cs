using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>Who a worker is when it registers.</summary>
/// <param name="JoinToken">The run's.</param>
/// <param name="Slot">Its number in the run; -1 takes what the coordinator gives.</param>
/// <param name="Host">This machine's name.</param>
/// <param name="ProcessId">This process.</param>
/// <param name="Device">Where it computes.</param>
/// <param name="Share">Its part of a batch beside the others'.</param>
/// <param name="Control">Where its peers reach its side of the protocol: the path of its actor.</param>
/// <param name="MayLead">Whether its process lives on without the run's home, and may lead the run then.</param>
public sealed record WorkerIdentity(
    byte[] JoinToken, int Slot, string Host, int ProcessId, string Device, int Share, string Control = "", bool MayLead = false)
{
    /// <summary>The control paths of workers that it knows from before, as behind a loss of its process's control plane.</summary>
    public IReadOnlyList<string> Peers { get; init; } = [];
}

/// <summary>What happens to a worker's side of the protocol.</summary>
public abstract record WorkerInput
{
    private WorkerInput()
    {
    }

    /// <summary>A message of the coordinator's.</summary>
    public sealed record Received(IMessage Message) : WorkerInput;

    /// <summary>The worker's own thread has something to say.</summary>
    public sealed record Reported(IMessage Message) : WorkerInput;

    /// <summary>A message of another worker's.</summary>
    public sealed record FromPeer(IMessage Message) : WorkerInput;

    /// <summary>The coordinator is gone.</summary>
    public sealed record HomeLost : WorkerInput;

    /// <summary>This process has a coordinator of the run now, as it was charged to.</summary>
    /// <param name="Coordinator">The path of its actor.</param>
    public sealed record Leads(string Coordinator) : WorkerInput;

    /// <summary>This process cannot lead the run as it was charged to: others are to stand.</summary>
    public sealed record CannotLead(string Reason) : WorkerInput;

    /// <summary>There is no place for the state.</summary>
    public sealed record CannotKeep(string Reason) : WorkerInput;

    /// <summary>Where the state can be kept, as was asked for.</summary>
    /// <param name="Deliveries">To a place of this process's own; empty where none is needed.</param>
    public sealed record KeepsAt(IReadOnlyList<DeliverState> Deliveries) : WorkerInput;

    /// <summary>Time has passed.</summary>
    public sealed record Tick : WorkerInput;
}

/// <summary>What a worker's side of the protocol wants done, in this order.</summary>
public abstract record WorkerEffect
{
    private WorkerEffect()
    {
    }

    /// <summary>Tell the coordinator.</summary>
    public sealed record Send(IMessage Message) : WorkerEffect;

    /// <summary>Tell the coordinator how the thread is doing, in this generation.</summary>
    public sealed record Beat(long Generation) : WorkerEffect;

    /// <summary>Read the data, and build a replica.</summary>
    public sealed record Prepare(int Slot, Job Job) : WorkerEffect;

    /// <summary>A command for the worker's thread, behind those that it has.</summary>
    public sealed record Order(IMessage Command) : WorkerEffect;

    /// <summary>Fail what is under way in a collective, at once, and then answer from the thread, with what stands.</summary>
    public sealed record Halt(Protocol.Halt Command) : WorkerEffect;

    /// <summary>Stop behind the step in hand, together with all others.</summary>
    public sealed record StopAtNextStep : WorkerEffect;

    /// <summary>Tell another worker.</summary>
    public sealed record Tell(string Path, IMessage Message) : WorkerEffect;

    /// <summary>Another coordinator leads the run: what is said to the coordinator goes there.</summary>
    public sealed record Follow(string Coordinator) : WorkerEffect;

    /// <summary>A majority wants this process to lead the run; what comes of it comes back as <see cref="WorkerInput.Leads"/>.</summary>
    public sealed record Lead(Mandate Mandate) : WorkerEffect;

    /// <summary>Find a place for the state, since the run ends here; it comes back as <see cref="WorkerInput.KeepsAt"/>.</summary>
    /// <param name="Position">Of the state.</param>
    public sealed record Keep(Position Position) : WorkerEffect;

    /// <summary>The worker is not needed any more; the reason is empty if all went well.</summary>
    public sealed record End(string Reason) : WorkerEffect;
}

/// <summary>
/// A worker's side of the protocol: registers, hands the coordinator's commands to the thread that trains, each of them once,
/// and its answers to the coordinator, again where one may have been lost.
/// </summary>
/// <remarks>
/// States: Registering → Preparing → Standing → in a generation; after an expulsion, and with another coordinator, Registering
/// again. Where the coordinator is silent, a <see cref="Succession"/> decides on another.
/// </remarks>
public sealed class WorkerMachine
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
    /// <summary>The states that were asked for in this generation, and whether they have gone.</summary>
    private readonly Dictionary<string, bool> deliveries = new(StringComparer.Ordinal);
    private bool hasFailed;

    /// <summary>What it said when its replica was built; said again until it is part of a generation.</summary>
    private IMessage? prepared;
    private bool ended;

    /// <summary>Why it ends, as soon as its state is kept.</summary>
    private string? leaving;

    /// <summary>States that are still to be kept then.</summary>
    private int kept;

    /// <summary>The control paths of those that it was last part of a generation with: they know where the coordinator is.</summary>
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

    /// <summary>The control paths of the workers that it was last part of a generation with.</summary>
    public IReadOnlyList<string> Peers => peers;

    /// <summary>The last generation that it was formed into.</summary>
    public long Generation => generation;

    /// <summary>Takes what happens, and says what is to be done about it.</summary>
    public IReadOnlyList<WorkerEffect> Handle(WorkerInput input, TimeSpan at)
    {
        succession.Advance(at, at - now > MostBetweenInputs ? at - now : TimeSpan.Zero);
        now = at;
        effects.Clear();
        if (ended) return [];
        switch (input)
        {
            case WorkerInput.Received received: Receive(received.Message); break;
            case WorkerInput.Reported reported: Report(reported.Message); break;
            case WorkerInput.FromPeer peer: Consult(peer.Message); break;
            case WorkerInput.HomeLost when succession.Waits: succession.LoseHome(); break;
            case WorkerInput.HomeLost: End("the run's home is gone"); break;
            case WorkerInput.Leads leads: succession.Leads(leads.Coordinator); Rehome(); break;
            case WorkerInput.CannotLead: succession.Decline(); break;
            case WorkerInput.KeepsAt keeps: Keep(keeps.Deliveries); break;
            case WorkerInput.CannotKeep cannot: End($"{leaving}; its state could not be kept: {cannot.Reason}"); break;
            case WorkerInput.Tick: Tick(); break;
            default: throw new ArgumentOutOfRangeException(nameof(input), input, "No such input.");
        }

        return [.. effects];
    }

    private void Tick()
    {
        succession.Tick();
        if (leaving is null && (accepted || succession.Waits) && succession.IsForsaken) Leave();
        if (leaving is not null) return;
        if (succession.IsReleased) ComeAnew("another coordinator was to be chosen, and was not");
        if (!accepted)
        {
            Register();
            return;
        }

        if (now >= nextBeat)
        {
            nextBeat = now + BeatInterval;
            effects.Add(new WorkerEffect.Beat(generation));
            if (prepared is not null && command == default) effects.Add(new WorkerEffect.Send(prepared));
        }
    }

    private void Register()
    {
        if (now - registering > RegisterPatience)
        {
            End($"no coordinator answered within {RegisterPatience.TotalSeconds:0} s");
            return;
        }

        if (now < nextBeat) return;
        nextBeat = now + RegisterInterval;
        var registration = new RegisterWorker
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
        };
        effects.Add(new WorkerEffect.Send(registration));

        // Where nobody answers, another may lead by now.
        if (++asked > FirstAsksHome && peers.Count > 0) effects.Add(new WorkerEffect.Tell(peers[asked % peers.Count], registration));
    }

    private void Receive(IMessage message)
    {
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
        succession.Incarnation = newIncarnation();
        succession.Leave();
    }

    /// <summary>Registers with the coordinator of now; what is under way is given up.</summary>
    private void Register(string reason)
    {
        effects.Add(new WorkerEffect.Halt(new Halt { Round = 0, Reason = reason }));
        (accepted, answer, prepared, command) = (false, null, null, default);
        registering = now;
        nextBeat = now;
        asked = 0;
    }

    /// <summary>What peers say may bring another coordinator.</summary>
    private void Consult(IMessage message)
    {
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

    private void Keep(IReadOnlyList<DeliverState> asked)
    {
        kept = asked.Count;
        foreach (var delivery in asked)
        {
            effects.Add(new WorkerEffect.Order(delivery));
        }

        if (kept == 0) End(leaving!);
    }

    /// <summary>No coordinator is left: the run ends here, and its state is kept.</summary>
    private void Leave()
    {
        leaving = "the run's coordinator is gone, and no majority of the workers was there to choose another";
        if (!succession.Waits)
        {
            End(leaving);
            return;
        }

        effects.Add(new WorkerEffect.Halt(new Halt { Round = 0, Reason = leaving }));
    }

    /// <summary>
    /// The weights of the end come behind the command that puts them in place, which may have been lost: they are asked for
    /// again. One that stands still may be asked for its state by a coordinator whose last generation it never heard of.
    /// </summary>
    private bool CanDeliver(DeliverState request) => request.Name == StateNames.Final
        ? request.Generation == generation && command.Kind == "finish"
        : request.Generation == generation || (request.Generation > generation && command.Kind == "halt");

    /// <summary>A state is the one of now: a request that is heard for the first time when it is repeated came too late.</summary>
    private void Deliver(DeliverState request)
    {
        if (deliveries.TryGetValue(request.Name, out var hasGone))
        {
            if (hasGone) effects.Add(new WorkerEffect.Send(new StateDelivered { Name = request.Name }));
        }
        else if (request.Again && request.Name != StateNames.Final)
        {
            effects.Add(new WorkerEffect.Send(new StateDelivered { Name = request.Name, Missed = true }));
        }
        else
        {
            deliveries[request.Name] = false;
            effects.Add(new WorkerEffect.Order(request));
        }
    }

    private void Join(FormGeneration form)
    {
        deliveries.Clear();
        generation = form.Generation;
        forming = form;
        succession.Told(form);
        peers = [.. form.Members.Select(static member => member.Control).Where(path => path.Length > 0 && path != identity.Control)];
        command = ("form", form.Generation, 0);
        answer = null;
        effects.Add(new WorkerEffect.Order(form));
    }

    /// <summary>A command that is heard again was not answered, or the answer was lost.</summary>
    private void Obey(string kind, long of, int epoch, IMessage message)
    {
        if (of != generation) return;
        if (kind != "form") succession.Begin(of);
        if (command == (kind, of, epoch))
        {
            if (answer is not null) effects.Add(new WorkerEffect.Send(answer));
            return;
        }

        command = (kind, of, epoch);
        answer = null;
        effects.Add(new WorkerEffect.Order(message));
    }

    private void Stop(Halt halt)
    {
        if (halt.Round < round) return;
        if (halt.Round == round)
        {
            if (answer is WorkerHalted) effects.Add(new WorkerEffect.Send(answer));
            return;
        }

        round = halt.Round;
        command = ("halt", generation, 0);
        answer = null;
        effects.Add(new WorkerEffect.Halt(halt));
    }

    private void Report(IMessage message)
    {
        if (leaving is not null)
        {
            if (message is WorkerHalted { HasState: true } standing) effects.Add(new WorkerEffect.Keep(standing.Position));
            else if (message is WorkerHalted or WorkerFailed { Kind: not FailureKind.Peer } || (message is StateDelivered && --kept == 0)) End(leaving);
            return;
        }

        switch (message)
        {
            case WorkerReady ready when ready.Generation == generation: succession.Ready(forming!); break;
            // Of a round that is over, or of an expulsion, nobody wants to know.
            case WorkerHalted halted when halted.Round != round: return;

            // What a collective says when it is stopped is no news, nor what that of a generation says which has gone on without this worker.
            case WorkerFailed { Kind: FailureKind.Peer } when command == default || command.Kind == "halt": return;
            case IOfGeneration { Generation: var of } when of != generation: return;
            case WorkerFailed { Kind: not FailureKind.Peer }: hasFailed = true; break;
            case WorkerPrepared: prepared = message; break;
            case StateDelivered delivered: deliveries[delivered.Name] = true; break;
            default: break;
        }

        // A failure is an answer too: where it was lost, the command comes again.
        if (message is WorkerHalted or WorkerReady or EpochTrained or Validated or WorkerFinished or WorkerFailed) answer = message;
        effects.Add(new WorkerEffect.Send(message));
    }

    private void End(string reason)
    {
        ended = true;
        effects.Add(new WorkerEffect.End(reason));
    }
}
