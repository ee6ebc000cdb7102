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
    private TimeSpan now;
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
        generationMembers = [.. bases.SelectMany(static list => list).Distinct().OrderBy(static m => m.Slot)];
        (phase, lostCheckpoint, lacksBest) = (null, true, true);
        stage = new Assuming(this);
    }

    /// <summary>The state's name, for logs and tests.</summary>
    public string State => stage.GetType().Name;

    public long Generation => generation;

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
            case CoordinatorInput.ProcessLost lost: Lose(lost); break;
            case CoordinatorInput.Interrupt: Interrupt(); break;
            case CoordinatorInput.Judged judged: stage.Judged(judged); break;
            case CoordinatorInput.Tick: Tick(); break;
            default: throw new ArgumentOutOfRangeException(nameof(input), input, "No such input.");
        }

        return [.. effects];
    }

    /// <summary>Ticks come several times a second: after a longer gap, what the workers said meanwhile is still to be read.</summary>
    private void Advance(TimeSpan at)
    {
        var gap = at - lastInput;
        lastInput = at;
        if (gap > Patience.Repeat) stoodStill += gap;
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
            // It believes that it has one: that it was given up has not reached it.
            if (message is Heartbeat) Send(channel, new Expelled { Reason = "was given up" });
            return;
        }

        member.Heard = now;
        if (message is WorkerFailed outside && !generationMembers.Contains(member))
        {
            FailOutside(member, outside);
            return;
        }

        if (message is IOfGeneration { Generation: var number } && (number != generation || !generationMembers.Contains(member))) return;
        switch (message)
        {
            case Heartbeat beat: Note(member, beat); break;
            case StateDelivered delivered: NoteDelivered(delivered); break;
            case WorkerFailed failure: Fail(member, failure); break;
            case WorkerPrepared prepared: Prepared(member, prepared); break;
            default: stage.Receive(member, message); break;
        }
    }

    /// <summary>One that says what cannot be is of another version, or worse.</summary>
    private void Refuse(object channel, string flaw)
    {
        if (members.Of(channel) is { } member)
        {
            Lose(member, new Loss($"sent {flaw}", IsConfirmed: true));
        }
        else
        {
            Send(channel, new WorkerRefused { Reason = $"it sent {flaw}" });
        }
    }

    private void Welcome(object channel, RegisterWorker registration)
    {
        if (stage.Refusal is { } reason)
        {
            Send(channel, new WorkerRefused { Reason = reason });
            return;
        }

        var (member, refusal) = members.Register(registration, channel, now, settings.MaxWorkers);
        if (member is null)
        {
            Send(channel, new WorkerRefused { Reason = refusal });
            return;
        }

        effects.Add(new CoordinatorEffect.Watch(channel));
        generation = Math.Max(generation, registration.Generation);
        Send(member, new WorkerAccepted { Slot = member.Slot, Job = settings.Job, Term = term });
        stage.Registered();
    }

    /// <summary>A worker has promised itself to another coordinator. Whether that one leads, or this one may go on, is the majority's.</summary>
    private void Yield(object channel, Superseded superseded)
    {
        if (superseded.Term > term && members.Of(channel) is { } member)
        {
            Lose(member, new Loss("has given up this coordinator", IsConfirmed: false));
        }
    }

    private void Prepared(Member member, WorkerPrepared prepared)
    {
        if (member.IsPrepared) return;
        member.DataPlane = prepared.DataPlane;

        // What a worker begins with counts at the beginning alone: later the run's state is with those that trained.
        member.Position = generation == 0 ? prepared.Position : null;
        stage.Joined(member);
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
        foreach (var member in members.All.Where(IsSilent).ToList())
        {
            Lose(member, new Loss(string.Create(null, $"was silent for {(now - member.Heard).TotalSeconds:0.0} s"), IsConfirmed: false));
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

    private bool IsSilent(Member member) => now - member.Heard > Patience.SilenceOf(member.Beat?.StepSeconds ?? 0);

    // ---- Losses ----

    /// <param name="How">As in "was killed by signal 9".</param>
    /// <param name="IsConfirmed">It is gone for good, and not only out of sight.</param>
    private sealed record Loss(string How, bool IsConfirmed);

    private void Lose(CoordinatorInput.ChannelLost lost)
    {
        if (members.Of(lost.Channel) is { } member)
        {
            Lose(member, new Loss("is out of reach", IsConfirmed: false));
        }
    }

    private void Lose(CoordinatorInput.ProcessLost lost)
    {
        var how = lost.ExitCode > 128 ? $"killed by signal {lost.ExitCode - 128}" : $"exit code {lost.ExitCode}";
        var loss = new Loss($"was lost ({how}, process {lost.ProcessId})", IsConfirmed: true);
        var gone = members.OfProcess(lost.ProcessId, settings.HomeHost);
        members.Confirm(gone);
        if (gone.Count == 0) stage.ProcessLost($"A worker process {loss.How}.");
        foreach (var member in gone)
        {
            Lose(member, loss);
        }
    }

    /// <summary>Gives a worker up. What it says from now on is not heard, until it registers anew.</summary>
    private void Lose(Member member, Loss loss)
    {
        if (loss.IsConfirmed) members.Confirm([member]);
        if (!members.Remove(member)) return;
        Send(member, new Expelled { Reason = loss.How });
        foreach (var (name, _) in deliveries.Where(d => d.Value.Sender == member).ToList())
        {
            deliveries.Remove(name);
            lostCheckpoint |= !name.StartsWith(StateNames.HistogramsPrefix, StringComparison.Ordinal);
        }

        stage.Lost(member, $"{Capitalised(member)} {loss.How} at step {committed}.");
    }

    /// <summary>A worker that cannot be prepared: at the beginning it was counted on, later the others go on without it.</summary>
    private void FailOutside(Member member, WorkerFailed failure)
    {
        if (generation == 0)
        {
            Abandon($"{Capitalised(member)} failed: {failure.Reason}");
        }
        else
        {
            Lose(member, new Loss($"failed: {failure.Reason}", IsConfirmed: true));
        }
    }

    private void Fail(Member member, WorkerFailed failure)
    {
        switch (failure.Kind)
        {
            case FailureKind.Run:
                Abandon($"{Capitalised(member)} failed at step {committed}: {failure.Reason}");
                break;
            case FailureKind.Worker:
                Lose(member, new Loss($"failed: {failure.Reason}", IsConfirmed: true));
                break;
            default:
                stage.Interrupted(member, failure);
                break;
        }
    }

    // ---- States on their way ----

    private void Request(string name, StateContent content, Member? from = null)
    {
        var sender = from ?? generationMembers[0];
        deliveries[name] = (sender, content);
        Send(sender, RequestOf(name, content, again: false));
    }

    private DeliverState RequestOf(string name, StateContent content, bool again) => new()
    {
        Generation = generation,
        Name = name,
        Content = content,
        Receiver = settings.StateReceiver,
        Token = ByteString.CopyFrom(settings.StateToken),
        Decided = decided,
        Again = again,
    };

    /// <summary>Asks again for what has not come, where something waits for it.</summary>
    /// <param name="isOfNow">Of a state's name: whether the sender still has it; else a request that is heard for the first time now came too late.</param>
    private void RequestAgain(Func<string, bool> isOfNow)
    {
        foreach (var (name, (sender, content)) in deliveries)
        {
            Send(sender, RequestOf(name, content, again: !isOfNow(name)));
        }
    }

    private void NoteDelivered(StateDelivered delivered)
    {
        deliveries.Remove(delivered.Name);
        if (!delivered.Missed && Outdates(delivered.Name)) lastCheckpoint = delivered.Name;
        stage.Delivered();
    }

    /// <summary>States come by several ways: an earlier one may come last.</summary>
    private bool Outdates(string name) =>
        name == StateNames.Final
        || lastCheckpoint != StateNames.Final && StateNames.StepOf(name) is { } step
        && (lastCheckpoint is null || step >= StateNames.StepOf(lastCheckpoint));

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
