using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>How a generation ends: its workers stop behind a whole step, and those that stand form the next.</content>
public sealed partial class CoordinatorMachine
{
    /// <summary>Generations that are tried before the one that most blame is given up.</summary>
    private const int MostAttempts = 3;

    /// <summary>Generations in a row that may be formed and take no step.</summary>
    private const int MostIdle = 20;

    /// <summary>Whom collectives have blamed since a generation was last formed, and by whom.</summary>
    private readonly Dictionary<Member, HashSet<Member>> accused = [];

    /// <param name="reason">What a person should read.</param>
    /// <param name="blamed">The slot that a collective blames; -1 for none.</param>
    /// <param name="accuser">Whose collective.</param>
    private void Regroup(string reason, int blamed = -1, Member? accuser = null)
    {
        if (stage is not (Connecting or Regrouping or Waiting or Assuming)) regroupStarted = lastInput;
        Accuse(blamed, accuser);
        (regroupReason, isHearsay) = (reason, accuser is not null);
        Become(new Regrouping(this, abandoning: null));
    }

    /// <summary>Ends the run: its workers stop, and the most advanced state is saved.</summary>
    private void Abandon(string reason)
    {
        if (generation == 0)
        {
            End(Failed(reason));
            return;
        }

        Become(new Regrouping(this, abandoning: reason));
    }

    /// <summary>
    /// A worker that answers to the coordinator but not to its peers would have them regroup for ever. One peer's word is
    /// not enough, as in a ring all wait for all: see <see cref="Unreachable"/>.
    /// </summary>
    private void Accuse(int blamed, Member? accuser)
    {
        if (accuser is null || generationMembers.FirstOrDefault(member => member.Slot == blamed) is not { } member) return;
        if (!accused.TryGetValue(member, out var accusers)) accused[member] = accusers = [];
        accusers.Add(accuser);
    }

    /// <summary>Waits until each worker has stopped, or is given up.</summary>
    private sealed class Regrouping(CoordinatorMachine machine, string? abandoning) : Stage(machine)
    {
        private readonly HashSet<Member> halted = [];
        private readonly long round = ++machine.round;
        private readonly TimeSpan since = machine.now;
        private TimeSpan said = machine.now;

        public override string? Refusal => abandoning is null ? null : "the run is ending";

        public override bool IsInDoubt => true;

        private IEnumerable<Member> Asked => Machine.generationMembers.Where(Machine.members.Has);

        public override void Enter()
        {
            Say(Asked);
            Conclude();
        }

        public override void Receive(Member from, IMessage message)
        {
            if (message is not WorkerHalted answer || answer.Round != round) return;

            // A newcomer that was to have the state copied may still stand at what it began with: that is not the run's.
            from.Position = answer.HasState && answer.Position.Step >= Machine.committed ? answer.Position : null;
            halted.Add(from);
            Conclude();
        }

        public override void Lost(Member member, string what)
        {
            halted.Remove(member);

            // What a peer could say of it was that it did not answer.
            if (Machine.isHearsay || !Asked.Any()) (Machine.regroupReason, Machine.isHearsay) = (what, false);
            Conclude();
        }

        public override void Interrupted(Member member, WorkerFailed failure) => Machine.Accuse(failure.LostPeer, member);

        public override void Tick()
        {
            if (Machine.now - said >= Machine.Patience.Repeat)
            {
                said = Machine.now;
                Say(Asked.Except(halted));
            }

            var waited = Machine.now - since;
            if (waited <= Machine.Patience.Halting) return;
            foreach (var member in Asked.Except(halted).Where(member => IsLate(member, waited)).ToList())
            {
                Machine.Lose(member, new Loss(string.Create(null, $"did not stop within {waited.TotalSeconds:0.0} s"), IsConfirmed: false));
                if (Machine.stage != this) return;
            }
        }

        /// <summary>One that is heard of may be at a long step; one that no peer blames may be on a busy machine, and has as long as for any word.</summary>
        private bool IsLate(Member member, TimeSpan waited) =>
            Machine.now - member.Heard > Machine.Patience.Halting && Machine.accused.ContainsKey(member)
            || waited > Machine.Patience.StallOf(member.Beat?.StepSeconds ?? 0);

        private void Say(IEnumerable<Member> whom)
        {
            foreach (var member in whom)
            {
                Machine.Send(member, new Halt { Round = round, Reason = abandoning ?? Machine.regroupReason });
            }
        }

        private void Conclude()
        {
            if (Machine.stage != this || !Asked.All(halted.Contains)) return;
            if (abandoning is null)
            {
                Machine.Go(halted);
            }
            else
            {
                Machine.Save(StopReason.Failed, abandoning, halted);
            }
        }
    }

    /// <summary>All that answer stand still: on with them, if they may and are enough.</summary>
    private void Go(IReadOnlyCollection<Member> halted)
    {
        if (Unreachable(halted) is { } unreachable)
        {
            Lose(unreachable, new Loss("is out of its peers' reach", IsConfirmed: false));
            return;
        }

        var standing = halted.Where(static member => member.Position is not null).ToList();
        IReadOnlyList<IReadOnlyList<Member>> mustAgree = bases.Count == 0 ? [generationMembers] : bases;
        var against = mustAgree.FirstOrDefault(last => !Allows(last, standing));
        if (standing.Count == 0)
        {
            StepDown($"{regroupReason} No worker is left.", standing);
        }
        else if (idle > MostIdle)
        {
            Save(StopReason.Failed, $"{regroupReason} The workers have formed {idle} generations and taken no step.", standing);
        }
        else if (against is not null)
        {
            StepDown($"{regroupReason} Only {standing.Count(against.Contains)} of {against.Count} workers are left on this side, and the others may go on elsewhere.", standing);
        }
        else if (members.Prepared.Count < settings.MinWorkers)
        {
            Become(new Waiting(this, halted));
        }
        else
        {
            Form(halted);
        }
    }

    private bool Allows(IReadOnlyList<Member> last, IReadOnlyCollection<Member> standing) =>
        Quorum.Allows(last.Count, standing.Count(last.Contains), last.Count(members.IsConfirmed), settings.HasHome);

    /// <summary>Where generations do not form, the one whom most peers blame.</summary>
    private Member? Unreachable(IReadOnlyCollection<Member> halted) =>
        generation - formedGeneration < MostAttempts || halted.Count < 2
            ? null
            : accused.Where(entry => halted.Contains(entry.Key))
                .OrderByDescending(static entry => entry.Value.Count)
                .ThenByDescending(static entry => entry.Key.Slot)
                .FirstOrDefault().Key;
}
