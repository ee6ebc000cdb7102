using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>How a run comes to another coordinator, and where it goes on.</content>
public sealed partial class CoordinatorMachine
{
    /// <summary>The workers of the last generation come over; then they are halted and regrouped like any others.</summary>
    private sealed class Assuming(CoordinatorMachine machine) : Stage(machine)
    {
        private readonly TimeSpan since = machine.now;
        private readonly TimeSpan began = machine.lastInput;

        public override bool IsInDoubt => true;

        public override void Registered()
        {
            if (Machine.generationMembers.All(Machine.members.Has)) Assume();
        }

        public override void Lost(Member member, string what)
        {
        }

        public override void Tick()
        {
            var waited = Machine.now - since;
            var come = Machine.members.All;
            var isMajority = Machine.bases.All(last => Machine.Allows(last, come));
            if (waited >= (isMajority ? Machine.Patience.Assuming : Machine.Patience.AssumingMost)) Assume();
        }

        private void Assume()
        {
            Machine.regroupStarted = began;
            Machine.members.ForgetExpected();
            Machine.Regroup("The run's coordinator is gone, and this node leads the run now.");
        }
    }

    /// <summary>What a coordinator that takes over has not seen itself, it has from the state that the run goes on with.</summary>
    private void Carry(Position position)
    {
        if (phase is not null) return;
        (startingEarlyStopping, startingPlateau) = (position.EarlyStopping ?? startingEarlyStopping, position.Plateau ?? startingPlateau);
        phase = position.DecidedEpoch < Math.Max(1, position.Epoch) ? new TrainingPhase(Math.Max(1, position.Epoch))
            : EndOf(position) is { } reason ? new FinishingPhase(reason, settings.RestoreBest && Best.BestEpoch > 0)
            : new TrainingPhase(position.DecidedEpoch + 1);
    }

    /// <summary>Why the decision on the last epoch ended the run; null where it did not.</summary>
    private StopReason? EndOf(Position position) =>
        EarlyStoppingRule.HasStopped(settings.EarlyStopping, startingEarlyStopping, position.DecidedEpoch) ? StopReason.EarlyStop
        : settings.Job.StepLimit > 0 && position.Step >= settings.Job.StepLimit ? StopReason.Steps
        : position.DecidedEpoch >= settings.Epochs ? StopReason.Epochs
        : null;
}
