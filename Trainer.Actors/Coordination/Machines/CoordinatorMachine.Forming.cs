using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>How a generation comes about.</content>
public sealed partial class CoordinatorMachine
{
    private TimeSpan regroupStarted;
    private string regroupReason = "";

    /// <summary>Whether the reason is what a worker said of its peers.</summary>
    private bool isHearsay;
    private long formedGeneration;
    private long formedStep = -1;
    private int idle;

    /// <summary>Forms a generation of the workers that stand and those that are prepared to.</summary>
    private void Form(IReadOnlyCollection<Member> standing)
    {
        generation = Math.Max(generation, told) + 1;
        var newcomers = members.Prepared.Where(member => !standing.Contains(member));
        generationMembers = [.. InRankOrder(standing.Concat(newcomers))];
        var source = MostAdvanced(generationMembers);
        Carry(source.Position!);
        Become(new Connecting(this, new FormGeneration
        {
            Generation = generation,
            Token = newToken(),
            Members = { generationMembers.Select(static m => m.Described) },
            Bases = { bases.Select(static members => new Roster { Members = { members.Select(static m => m.Described) } }) },
            OneProcess = generationMembers.DistinctBy(static m => m.Process).Count() == 1,
            Source = RankOf(source),
            Synchronise = generationMembers.Any(m => !HasStateOf(m, source)),
            Position = source.Position,
            Decided = decided,
        }));
    }

    /// <summary>By their slots, a host's workers together: so that sums can be taken within hosts first.</summary>
    private static IEnumerable<Member> InRankOrder(IEnumerable<Member> all) =>
        all.OrderBy(static member => member.Slot).GroupBy(static member => member.Entry.Host).SelectMany(static host => host);

    /// <summary>The first of those with the most steps; and with the last decision, which a new coordinator has from them alone.</summary>
    private static Member MostAdvanced(IEnumerable<Member> standing) =>
        standing.Where(static member => member.Position is not null).MaxBy(static member => (member.Position!.Step, member.Position.DecidedEpoch))!;

    private bool HasStateOf(Member member, Member source) =>
        member.Position?.Step == source.Position!.Step
        && (decided is not null || member.Position.DecidedEpoch == source.Position.DecidedEpoch);

    /// <summary>Waits for the workers that the run begins with: its own first, which it has started, and then others, as long as behind a loss.</summary>
    private sealed class Gathering(CoordinatorMachine machine) : Stage(machine)
    {
        private TimeSpan since = machine.now;
        private TimeSpan patience = machine.Patience.Gathering;
        private bool isForOthers;

        public override void Joined(Member member)
        {
            var prepared = Machine.members.Prepared;
            if (prepared.Count >= Machine.settings.World)
            {
                Machine.regroupStarted = Machine.lastInput;
                Machine.Form([]);
            }
            else if (!isForOthers && prepared.Count(Machine.IsOwn) == Machine.settings.ReservedSlots)
            {
                (isForOthers, since, patience) = (true, Machine.now, Machine.Patience.Waiting);
                Machine.Publish(new RunWaiting(prepared.Count, Machine.settings.World, "The run has not begun."));
            }
        }

        /// <summary>Others may come in place of one that came by itself.</summary>
        public override void Lost(Member member, string what)
        {
            if (Machine.IsOwn(member)) Machine.End(Machine.Failed(what));
        }

        public override void ProcessLost(string what) => Machine.End(Machine.Failed(what));

        public override void Tick()
        {
            if (Machine.now - since < patience) return;
            var (came, ready) = (Machine.members.All.Count, Machine.members.Prepared.Count);
            Machine.End(Machine.Failed(
                $"Of {Machine.settings.World} workers {came} came and {ready} were ready within {patience.TotalSeconds:0} s."));
        }
    }

    /// <summary>Whether the run has started it itself.</summary>
    private bool IsOwn(Member member) => member.Slot < settings.ReservedSlots;

    /// <summary>A generation connects, and its state is copied to those that lack it.</summary>
    private sealed class Connecting(CoordinatorMachine machine, FormGeneration form) : Working(machine)
    {
        private readonly Roll<Position> ready = new(machine, () => form);
        private readonly TimeSpan until = machine.now + machine.Patience.Connecting;
        private Exchange exchange;

        public override void Enter() => ready.Say();

        public override void Receive(Member from, IMessage message)
        {
            if (message is not WorkerReady answer) return;
            from.Position = answer.Position;
            exchange = answer.Exchange;
            if (ready.Answer(from, answer.Position)) Machine.Formed(form, exchange);
        }

        public override void Tick()
        {
            ready.Repeat();
            if (Machine.now >= until) Machine.Regroup($"Generation {form.Generation} did not form in time: {ready.Missing} did not connect.");
        }
    }

    private void Formed(FormGeneration form, Exchange exchange)
    {
        var isFirst = bases.Count == 0;
        bases = [generationMembers];
        formedGeneration = generation;
        accused.Clear();
        var step = form.Position.Step;
        idle = step == formedStep ? idle + 1 : 0;
        formedStep = step;
        var lost = Math.Max(0, committed - step);
        committed = Math.Max(committed, step);
        IReadOnlyList<RosterEntry> workers = [.. generationMembers.Select(static member => member.Entry)];
        var travel = new Travel(exchange, settings.Job.Wire);
        Publish(isFirst
            ? new RunStarted(settings.Parameters, workers, settings.Job.Threads) { Travel = travel }
            : new RunRegrouped(generation, workers, regroupReason, step, lost, lastInput - regroupStarted) { Travel = travel });
        if (interrupted) TellGeneration(new StopAtNextStep { Generation = generation });
        if (lostCheckpoint)
        {
            lostCheckpoint = false;
            Request(StateNames.Checkpoint(step, isBest: false), StateContent.Checkpoint);
        }

        RequestBest();
        Begin(phase!);
    }

    private void Begin(IPhase next)
    {
        phase = next;
        if (next.TakesNewcomers && members.Prepared.Except(generationMembers).Any())
        {
            Regroup(JoinReason(members.Prepared.Except(generationMembers)));
            return;
        }

        Become(next.Begin(this));
    }

    private static string JoinReason(IEnumerable<Member> newcomers) =>
        $"{Capitalised(string.Join(", ", newcomers))} joined.";

    /// <summary>Too few are left: those that stand hold their state until others come.</summary>
    private sealed class Waiting(CoordinatorMachine machine, IReadOnlyCollection<Member> standing) : Stage(machine)
    {
        private readonly TimeSpan until = machine.now + machine.Patience.Waiting;

        public override void Enter() =>
            Machine.Publish(new RunWaiting(standing.Count, Machine.settings.MinWorkers, Machine.regroupReason));

        public override void Joined(Member member)
        {
            if (Machine.members.Prepared.Count >= Machine.settings.MinWorkers) Machine.Form([.. standing.Where(Machine.members.Has)]);
        }

        public override void Lost(Member member, string what)
        {
            if (standing.Contains(member)) Machine.Regroup(what);
        }

        public override void Tick()
        {
            if (Machine.interrupted)
            {
                Machine.Save(StopReason.Interrupted, "", standing);
            }
            else if (Machine.now >= until)
            {
                Machine.Save(
                    StopReason.Failed,
                    $"{Machine.regroupReason} No {Machine.settings.MinWorkers} workers were there within {Machine.Patience.Waiting.TotalMinutes:0} min.",
                    standing);
            }
        }
    }
}
