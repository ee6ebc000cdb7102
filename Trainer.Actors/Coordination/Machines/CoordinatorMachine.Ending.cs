using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>How a run ends, well or badly.</content>
public sealed partial class CoordinatorMachine
{
    private void Finish(StopReason reason, bool restoreBest) =>
        Begin(new FinishingPhase(reason, restoreBest && Best.BestEpoch > 0));

    /// <summary>Whether a worker was given up since its last state did not come: where another's does not either, it is not the worker.</summary>
    private bool hasGivenUpSender;

    /// <summary>The last states are saved, and the weights agree.</summary>
    private sealed class Finishing(CoordinatorMachine machine, StopReason reason, bool restores) : Working(machine)
    {
        private readonly Roll<string> finished = new(
            machine, () => new Finish { Generation = machine.generation, RestoreBest = restores, Decided = machine.decided });

        private readonly TimeSpan until = machine.now + machine.Patience.Saving;
        private TimeSpan asked = machine.now;

        public override string? Refusal => "the run is ending";

        public override void Enter()
        {
            if (reason == StopReason.Interrupted)
            {
                Machine.Request(StateNames.Checkpoint(Machine.committed, isBest: false), StateContent.Checkpoint);
                Machine.RequestBest();
            }

            finished.Say();
            if (reason != StopReason.Interrupted) Machine.Request(StateNames.Final, StateContent.Checkpoint);
        }

        public override void Receive(Member from, IMessage message)
        {
            if (message is WorkerFinished answer)
            {
                finished.Answer(from, answer.WeightsSha256);
                Delivered();
            }
        }

        public override void Delivered()
        {
            // Best weights that were refused meanwhile are in no other state that is asked for now.
            if (reason == StopReason.Interrupted) Machine.RequestBest();
            if (finished.IsComplete && Machine.deliveries.Count == 0) Machine.End(Machine.Outcome(reason, finished.InRankOrder, restores));
        }

        public override bool IsIndispensable(string name) => name == StateNames.Final || IsOfNow(name);

        /// <summary>
        /// A run that was interrupted stands at the step of its last checkpoint, with its best weights aside; elsewhere these may
        /// be in place by now.
        /// </summary>
        private bool IsOfNow(string name) =>
            reason == StopReason.Interrupted && (name == StateNames.Best || StateNames.StepOf(name) == Machine.committed);

        public override void Tick()
        {
            finished.Repeat();
            if (Machine.now - asked >= Machine.Patience.Repeat)
            {
                asked = Machine.now;
                Machine.RequestAgain(IsOfNow);
            }

            if (Machine.now >= until) GiveUp();
        }

        /// <summary>Who hangs now is done without, as anywhere else: those that are left end the run.</summary>
        private void GiveUp()
        {
            var (states, within) = (string.Join(", ", Machine.deliveries.Keys), $"within {Machine.Patience.Saving.TotalSeconds:0} s");
            if (!finished.IsComplete)
            {
                Lose(finished.MissingMembers, $"has not finished {within}");
            }
            else if (Machine.WhyRefused is { } refusal)
            {
                Machine.End(Machine.Failed($"The last states ({states}) could not be written: {refusal}"));
            }
            else if (!Machine.hasGivenUpSender)
            {
                Machine.hasGivenUpSender = true;
                Lose(Machine.deliveries.Values.Select(static delivery => delivery.Sender), $"has not handed over its last states ({states}) {within}");
            }
            else
            {
                Machine.End(Machine.Failed($"The last states ({states}) were not written {within}."));
            }
        }

        /// <summary>All at once: behind the first the others would be halted, and waited for again.</summary>
        private void Lose(IEnumerable<Member> late, string how)
        {
            foreach (var member in late.Distinct().ToList())
            {
                Machine.Lose(member, new Loss(how, IsConfirmed: false));
            }
        }
    }

    private RunOutcome Outcome(StopReason reason, IEnumerable<string> finished, bool restored)
    {
        var hashes = finished.Distinct().ToList();
        return hashes.Count > 1
            ? Failed($"the workers ended with different weights ({string.Join(", ", hashes.Select(static h => h[..Math.Min(8, h.Length)]))}): this is a bug")
            : new RunOutcome(reason, "", committed, Best, FiguresOfEnd(), hashes[0], lastCheckpoint);

        // Where a run was stopped between two validations, no figures are those of its weights.
        EpochMetrics? FiguresOfEnd() => reason == StopReason.Interrupted ? null : restored ? bestMetrics : metrics;
    }

    /// <summary>Saves the most advanced of the workers that stand still, and ends the run.</summary>
    private void Save(StopReason reason, string message, IEnumerable<Member> halted)
    {
        var standing = halted.Where(members.Has).Where(static member => member.Position is not null).ToList();
        if (standing.Count == 0)
        {
            End(Failed($"{message} No worker is left whose state could be saved.".TrimStart()));
            return;
        }

        Become(new Saving(this, reason, message, MostAdvanced(standing)));
    }

    /// <summary>Why too few workers were left to this coordinator; null where it leads, or has ended otherwise.</summary>
    private string? outvoted;

    /// <summary>
    /// Leads no more: others may go on. The last state is kept, and the workers are handed over as one that is lost would leave
    /// them: they may be what another side's majority lacks. From here no generation is formed any more, so that nothing which
    /// they agree to elsewhere is agreed to twice.
    /// </summary>
    private void StepDown(string message, List<Member> standing)
    {
        outvoted = message;
        if (standing.Count == 0)
        {
            End(Failed(message));
            return;
        }

        var source = MostAdvanced(standing);
        foreach (var member in members.All.Where(member => member != source))
        {
            Release(member);
        }

        Become(new Saving(this, StopReason.Failed, message, source));
    }

    private void Release(Member member)
    {
        members.Remove(member);
        Send(member, Resignation());
    }

    private SteppedDown Resignation() => new() { Term = term, Reason = outvoted };

    /// <summary>The run ends where it stands, resumably.</summary>
    private sealed class Saving(CoordinatorMachine machine, StopReason reason, string message, Member source) : Stage(machine)
    {
        private readonly TimeSpan until = machine.now + machine.Patience.Saving;
        private TimeSpan asked = machine.now;

        public override string? Refusal => "the run is ending";

        public override void Enter()
        {
            // Best weights that are on their way may end with the worker that sends them, and a resumed run needs them.
            Machine.lacksBest |= Machine.deliveries.Keys.Any(StateNames.IsOfBest);
            Machine.deliveries.Clear();
            Machine.committed = Math.Max(Machine.committed, source.Position!.Step);
            Machine.Request(StateNames.Checkpoint(source.Position!.Step, isBest: false), StateContent.Checkpoint, source);
            Machine.RequestBest(source);
        }

        /// <summary>What was asked for earlier may come first.</summary>
        public override void Delivered()
        {
            if (Machine.deliveries.Count == 0) Machine.End(Machine.Failed(message) with { Reason = reason });
        }

        public override bool IsIndispensable(string name) => true;

        public override void Lost(Member member, string what)
        {
            if (member == source) NotSaved(what);
        }

        public override void Interrupted(Member member, WorkerFailed failure)
        {
            if (member == source) NotSaved(failure.Reason);
        }

        public override void Tick()
        {
            if (Machine.now - asked >= Machine.Patience.Repeat)
            {
                // The source stands still: its state is the same whenever it is asked.
                asked = Machine.now;
                Machine.RequestAgain(static _ => true);
            }

            if (Machine.now >= until) NotSaved(Machine.WhyRefused ?? $"nothing came for {Machine.Patience.Saving.TotalSeconds:0} s");
        }

        private void NotSaved(string why) => Machine.End(Machine.Failed($"{message} Its last state could not be saved: {why}"));
    }

    private RunOutcome Failed(string reason) =>
        new(StopReason.Failed, reason, committed, Best, null, "", lastCheckpoint) { IsOutvoted = IsOutvoted };

    private void End(RunOutcome outcome)
    {
        Publish(new RunEnded(outcome));
        foreach (var member in members.All)
        {
            if (!IsOutvoted) Send(member, new Dismiss { Reason = outcome.Reason == StopReason.Failed ? outcome.Message : "" });
            else Release(member);
        }

        effects.Add(new CoordinatorEffect.Conclude(outcome));
        Become(new Ended(this));
    }

    private sealed class Ended(CoordinatorMachine machine) : Stage(machine)
    {
        public override string? Refusal => "the run has ended";

        public override void Lost(Member member, string what)
        {
        }
    }
}
