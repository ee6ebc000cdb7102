using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>What a state is, and a phase of the run that regrouping comes back to.</content>
public sealed partial class CoordinatorMachine
{
    /// <summary>A state: it has been entered, and hears of what happens until another one is.</summary>
    private abstract class Stage(CoordinatorMachine machine)
    {
        protected CoordinatorMachine Machine => machine;

        /// <summary>Why no worker is taken in; null where workers may come.</summary>
        public virtual string? Refusal => null;

        /// <summary>
        /// Whether it is not known yet that this coordinator may go on. A worker that was given up is not told so before it is:
        /// it would come anew, as a newcomer, and its vote would be missing where another is to be chosen.
        /// </summary>
        public virtual bool IsInDoubt => false;

        public virtual void Enter()
        {
        }

        /// <summary>A message of this generation, or one that belongs to none.</summary>
        public virtual void Receive(Member from, IMessage message)
        {
        }

        /// <summary>A worker has been taken in, or has come over.</summary>
        public virtual void Registered()
        {
        }

        /// <summary>A worker has its replica, and could take part.</summary>
        public virtual void Joined(Member member)
        {
        }

        /// <summary>A worker was given up.</summary>
        public abstract void Lost(Member member, string what);

        /// <summary>A process ended before its workers had registered.</summary>
        public virtual void ProcessLost(string what)
        {
        }

        /// <summary>A worker's collective failed, which need not be its own fault.</summary>
        public virtual void Interrupted(Member member, WorkerFailed failure)
        {
        }

        public virtual void Judged(CoordinatorInput.Judged judged)
        {
        }

        public virtual void Delivered()
        {
        }

        /// <summary>Of a state's name: whether the run cannot end well without it.</summary>
        public virtual bool IsIndispensable(string name) => false;

        public virtual void Tick()
        {
        }
    }

    /// <summary>A state in which a generation works: a loss, a failed collective or a newcomer has it regrouped.</summary>
    private abstract class Working(CoordinatorMachine machine) : Stage(machine)
    {
        public override void Lost(Member member, string what)
        {
            if (Machine.generationMembers.Contains(member)) Machine.Regroup(what);
        }

        public override void Interrupted(Member member, WorkerFailed failure) =>
            Machine.Regroup($"{Capitalised(member)} could not go on at step {Machine.committed}: {failure.Reason}", failure.LostPeer, member);

        /// <summary>Gives up those whose answer is missing and who do not come on with anything, though their actors speak.</summary>
        protected void GiveUpStalled<T>(Roll<T> roll)
        {
            if (roll.Waited <= Machine.Patience.LeastStall) return;
            foreach (var (member, still) in roll.Stalled.ToList())
            {
                Machine.Lose(member, new Loss(string.Create(null, $"has made no progress for {still.TotalSeconds:0.0} s"), IsConfirmed: false));
                if (Machine.stage != this) return;
            }
        }
    }

    /// <summary>A command to each member of a generation, said again to those that have not answered.</summary>
    private sealed class Roll<T>(CoordinatorMachine machine, Func<IMessage> command)
    {
        private readonly RollCall<T> call = new(Enumerable.Range(0, machine.generationMembers.Count));
        private readonly TimeSpan since = machine.now;
        private TimeSpan said = machine.now;

        public bool IsComplete => call.IsComplete;

        public IReadOnlyList<T> InRankOrder => [.. call.InRankOrder];

        /// <summary>Since the command was given.</summary>
        public TimeSpan Waited => machine.now - since;

        /// <summary>Whose answer is missing.</summary>
        public string Missing => string.Join(", ", MissingMembers);

        public IEnumerable<Member> MissingMembers => call.Missing.Order().Select(rank => machine.generationMembers[rank]);

        /// <summary>
        /// Whose answer is missing and who has stood still for too long, and for how long. One that waits for its peers is not
        /// the one that holds them up, and its collective ends the wait.
        /// </summary>
        public IEnumerable<(Member Member, TimeSpan Still)> Stalled =>
            from rank in call.Missing
            let member = machine.generationMembers[rank]
            let still = machine.now - (member.Moved > since ? member.Moved : since)
            where member.Beat is not { Activity: Activity.Reducing } && still > machine.Patience.StallOf(member.Beat?.StepSeconds ?? 0)
            select (member, still);

        public Roll<T> Say()
        {
            machine.TellGeneration(command());
            return this;
        }

        /// <summary>Notes an answer; true when it was the last one missing.</summary>
        public bool Answer(Member member, T answer) => call.Answer(machine.RankOf(member), answer);

        /// <returns>Whether it was time to.</returns>
        public bool Repeat()
        {
            if (machine.now - said < machine.Patience.Repeat) return false;
            said = machine.now;
            foreach (var rank in call.Missing)
            {
                machine.Send(machine.generationMembers[rank], command());
            }

            return true;
        }
    }

    private int RankOf(Member member) => generationMembers.Index().First(e => e.Item == member).Index;

    /// <summary>What a run is at: after a regroup it is begun again.</summary>
    private interface IPhase
    {
        Stage Begin(CoordinatorMachine machine);

        /// <summary>Whether newcomers are taken in meanwhile, or wait for the next epoch.</summary>
        bool TakesNewcomers { get; }
    }

    private sealed record TrainingPhase(int Epoch) : IPhase
    {
        public bool TakesNewcomers => true;

        public Stage Begin(CoordinatorMachine machine) => new Training(machine, Epoch);
    }

    private sealed record ValidatingPhase(EpochTrained Trained, IReadOnlyList<WorkerTimes> Times) : IPhase
    {
        public bool TakesNewcomers => false;

        public Stage Begin(CoordinatorMachine machine) => new Validating(machine, Trained, Times);
    }

    private sealed record FinishingPhase(StopReason Reason, bool RestoresBest) : IPhase
    {
        public bool TakesNewcomers => false;

        public Stage Begin(CoordinatorMachine machine) => new Finishing(machine, Reason, RestoresBest);
    }
}
