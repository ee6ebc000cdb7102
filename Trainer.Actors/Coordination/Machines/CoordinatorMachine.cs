using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>
/// Leads a run: gathers workers, forms them into generations, takes these through the run's epochs, and regroups when a
/// worker is lost or comes. It decides and waits; it takes no part in a step.
/// </summary>
/// <remarks>
/// A plain state machine: what happens goes in, what is to be done comes out, and time is what it is told. An actor hosts it
/// in a run, a simulation in the tests. States: Gathering → Connecting → Training → Validating → (Training …) → Finishing →
/// Ended; from any of them Regrouping → Connecting, or Saving → Ended (docs/cluster.md). All that it knows and its workers
/// do not is the settings: the rest comes back with their answers to a halt.
/// </remarks>
public sealed partial class CoordinatorMachine
{
    private readonly RunSettings settings;
    private readonly long term;
    private readonly Func<ByteString> newToken;
    private readonly Members members;
    private readonly List<CoordinatorEffect> effects = [];
    private readonly Dictionary<string, (Member Sender, StateContent Content)> deliveries = new(StringComparer.Ordinal);

    /// <summary>Those of them that the home could not keep, and why.</summary>
    private readonly Dictionary<string, string> refused = new(StringComparer.Ordinal);
    private TimeSpan now;

    /// <summary>When the last input came, by the clock that goes on while this machine stands still.</summary>
    private TimeSpan lastInput;

    /// <summary>How long this machine itself stood still (a closed lid, a stopped process): nobody is late for that.</summary>
    private TimeSpan stoodStill;
    private Stage stage;

    /// <summary>Null where another coordinator led the run before, until its workers have said what they are at.</summary>
    private IPhase? phase;

    /// <summary>The members of the generation that works or is being formed, in rank order.</summary>
    private IReadOnlyList<Member> generationMembers = [];

    /// <summary>
    /// A majority of each of these must agree to a generation: of the last one whose members were all ready, and, where another
    /// coordinator led before, of one that may have been.
    /// </summary>
    private IReadOnlyList<IReadOnlyList<Member>> bases = [];

    private long generation;

    /// <summary>The highest number that a registration has told of: it may be ahead, and the next generation's is above.</summary>
    private long told;
    private long round;
    private long committed;
    private TimeSpan lastBeat;
    private bool interrupted;
    private bool lostCheckpoint;
    private bool lacksBest;
    private EpochDecided? decided;
    private EarlyStoppingState startingEarlyStopping;
    private PlateauState startingPlateau;
    private EpochMetrics? metrics;
    private EpochMetrics? bestMetrics;
    private string? lastCheckpoint;

    /// <param name="settings">The run.</param>
    /// <param name="newToken">Makes the 16 bytes that a generation's connections show.</param>
    /// <param name="now">The time of the first input; any clock that does not go back.</param>
    public CoordinatorMachine(RunSettings settings, Func<ByteString> newToken, TimeSpan now)
    {
        this.settings = settings;
        this.newToken = newToken;
        (this.now, lastInput) = (now, now);
        members = new Members(settings.JoinToken, settings.ReservedSlots);
        (startingEarlyStopping, startingPlateau) = (settings.EarlyStoppingState, settings.PlateauState);
        bestMetrics = settings.BestMetrics;
        phase = new TrainingPhase(settings.FirstEpoch);
        stage = new Gathering(this);
    }

    /// <summary>Takes a run over whose coordinator is gone.</summary>
    /// <param name="settings">The run.</param>
    /// <param name="newToken">Makes the 16 bytes that a generation's connections show.</param>
    /// <param name="now">The time of the first input.</param>
    /// <param name="mandate">What a majority of its workers has charged it with.</param>
    public CoordinatorMachine(RunSettings settings, Func<ByteString> newToken, TimeSpan now, Mandate mandate)
        : this(settings, newToken, now)
    {
        term = mandate.Term;
        generation = formedGeneration = mandate.Generation;
        bases = [.. mandate.Bases.Select(roster => roster.Members.Select(m => members.Expect(m, now)).ToList())];
        generationMembers = [.. InRankOrder(bases.SelectMany(static list => list).Distinct())];
        (phase, lostCheckpoint, lacksBest) = (null, true, true);
        stage = new Assuming(this);
    }

    /// <summary>The state's name, for logs and tests.</summary>
    public string State => stage.GetType().Name;

    public long Generation => generation;

    /// <summary>0 for the run's home, more for each coordinator that took over.</summary>
    public long Term => term;

    /// <summary>Members of the generation that works or is being formed.</summary>
    public int Workers => generationMembers.Count;

    /// <summary>The epoch that is trained, validated, or was decided on last; 0 where none is known.</summary>
    public int Epoch => phase switch
    {
        TrainingPhase training => training.Epoch,
        ValidatingPhase validating => validating.Trained.Epoch,
        _ => decided?.Epoch ?? 0,
    };

    /// <summary>Whether the run has ended: its workers go then.</summary>
    public bool HasEnded => stage is Ended;

    /// <summary>Whether too few workers were left to it, so that others may go on: it leads no more.</summary>
    public bool IsOutvoted => outvoted is not null;

    /// <summary>Whether a generation is formed and works.</summary>
    public bool IsAtWork => stage is Training or Validating or Finishing;

    /// <summary>The channels of the workers that have a part in the run.</summary>
    public IEnumerable<object> Channels => members.All.Select(static member => member.Channel!);

    /// <summary>Steps that every member of a generation has applied, or that a regroup has taken over.</summary>
    public long Committed => committed;

    private EarlyStoppingState Best => decided?.EarlyStopping ?? startingEarlyStopping;

    private PlateauState Plateau => decided?.Plateau ?? startingPlateau;

    private Patience Patience => settings.Patience;

    /// <summary>Takes what happens, and says what is to be done about it.</summary>
    public IReadOnlyList<CoordinatorEffect> Handle(CoordinatorInput input, TimeSpan at)
    {
        Advance(at);
        effects.Clear();
        switch (input)
        {
            case CoordinatorInput.Received received: Receive(received.Channel, received.Message); break;
            case CoordinatorInput.ChannelLost lost: Lose(lost); break;
            case CoordinatorInput.ChannelDoubted doubted: Doubt(doubted); break;
            case CoordinatorInput.ChannelBroken broken: Disconnect(broken.Channel); break;
            case CoordinatorInput.ChannelRefused refused: Disconnect(refused.Channel, isRefused: true); break;
            case CoordinatorInput.ProcessLost lost: Lose(lost); break;
            case CoordinatorInput.Interrupt: Interrupt(); break;
            case CoordinatorInput.Judged judged: stage.Judged(judged); break;
            case CoordinatorInput.Tick: Tick(); break;
            default: throw new ArgumentOutOfRangeException(nameof(input), input, "No such input.");
        }

        TellGivenUp();

        // Most of what happens, time above all, has nothing done.
        return effects.Count == 0 ? [] : [.. effects];
    }

    /// <summary>Ticks come several times a second: after a longer gap, what the workers said meanwhile is still to be read.</summary>
    private void Advance(TimeSpan at)
    {
        var gap = at - lastInput;
        lastInput = at;
        if (gap > Patience.Standstill) stoodStill += gap - Patience.Standstill;
        now = at - stoodStill;
    }

    /// <summary>Ends the run at once: its host has failed.</summary>
    public IReadOnlyList<CoordinatorEffect> Fail(string reason)
    {
        effects.Clear();
        End(Failed(reason));
        return [.. effects];
    }

    // ---- What every state answers to ----

    private void Receive(object channel, IMessage message)
    {
        if (MessageChecks.FlawOf(message, settings.FigureNames.Count) is { } flaw)
        {
            Refuse(channel, flaw);
            return;
        }

        if (message is RegisterWorker registration)
        {
            Welcome(channel, registration);
            return;
        }

        if (message is Superseded superseded)
        {
            Yield(channel, superseded);
            return;
        }

        // Whoever was expelled, or never registered, has no part in the run.
        if (members.Of(channel) is not { } member)
        {
            if (message is Heartbeat) TellOutsider(channel);
            return;
        }

        member.Heard = now;
        Trust(member);
        if (message is WorkerFailed outside && !generationMembers.Contains(member))
        {
            FailOutside(member, outside);
            return;
        }

        if (message is IOfGeneration { Generation: var number } && (number != generation || !generationMembers.Contains(member))) return;
        switch (message)
        {
            case Heartbeat beat: Note(member, beat); break;
            case StateDelivered delivered: NoteDelivered(member, delivered); break;
            case WorkerFailed failure: Fail(member, failure); break;
            case WorkerPrepared prepared: Prepared(member, prepared); break;
            default: stage.Receive(member, message); break;
        }
    }

    private void Note(Member member, Heartbeat beat)
    {
        member.Note(beat, now);

        // Its peers entered the reduction of its last step behind the step before: that one they all have applied.
        committed = Math.Max(committed, beat.Step - 1);
        if (member == generationMembers[0] && beat.Activity != Activity.Standing)
        {
            Publish(new StepProgress(beat.Epoch, committed, beat.ImagesPerSecond, beat.Loss));
        }
    }

    private void Interrupt()
    {
        interrupted = true;
        if (bases.Count == 0)
        {
            End(new RunOutcome(StopReason.Interrupted, "", 0, Best, null, "", null));
            return;
        }

        TellGeneration(new StopAtNextStep { Generation = generation });
    }

    private void Tick()
    {
        foreach (var member in members.All)
        {
            if (WhyLate(member) is { } loss) Lose(member, loss);
        }

        if (now - lastBeat >= Patience.Beat)
        {
            lastBeat = now;
            foreach (var member in members.All)
            {
                Send(member, new CoordinatorBeat { Term = term });
            }
        }

        stage.Tick();
    }

    // ---- Saying things ----

    private void Become(Stage next)
    {
        stage = next;
        next.Enter();
    }

    private void Send(Member member, IMessage message) => Send(member.Channel!, message);

    private void Send(object channel, IMessage message) => effects.Add(new CoordinatorEffect.Send(channel, message));

    private void Publish(IRunEvent happened) => effects.Add(new CoordinatorEffect.Publish(happened));

    private void TellGeneration(IMessage message)
    {
        foreach (var member in generationMembers.Where(members.Has))
        {
            Send(member, message);
        }
    }

    private static string Capitalised(object subject)
    {
        var text = subject.ToString()!;
        return char.ToUpperInvariant(text[0]) + text[1..];
    }
}
