using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>How a generation works: an epoch's steps, its validation, and what is decided on it.</content>
public sealed partial class CoordinatorMachine
{
    /// <summary>The generation trains an epoch, from where its state stands in it.</summary>
    private sealed class Training(CoordinatorMachine machine, int epoch) : Working(machine)
    {
        private readonly Roll<EpochTrained> trained = new(
            machine, () => new TrainEpoch { Generation = machine.generation, Epoch = epoch, Decided = machine.decided });

        public override void Enter() => trained.Say();

        public override void Receive(Member from, IMessage message)
        {
            if (message is not EpochTrained answer || answer.Epoch != epoch || !trained.Answer(from, answer)) return;
            Machine.EndTraining(trained.InRankOrder);
        }

        public override void Joined(Member member) => Machine.Regroup(JoinReason([member]));

        public override void Tick()
        {
            if (trained.Repeat() && Machine.interrupted) Machine.TellGeneration(new StopAtNextStep { Generation = Machine.generation });
            GiveUpStalled(trained);
        }
    }

    /// <summary>Slots of those that were said to hold the others up.</summary>
    private readonly HashSet<int> stragglers = [];

    /// <summary>Slots of those that did so in the epoch before.</summary>
    private IReadOnlyCollection<int> slowBefore = [];

    private void EndTraining(IReadOnlyList<EpochTrained> answers)
    {
        // All have answered: every step of the epoch was applied by every member.
        var trained = answers[0];
        committed = trained.Step;
        if (trained.Stop == StopCause.StopRequested)
        {
            Finish(StopReason.Interrupted, restoreBest: false);
        }
        else
        {
            var told = generationMembers.Zip(answers, static (member, answer) => (member.Entry, (StepTimes?)answer.Times)).ToList();
            var times = WorkerTimes.Of(told, settings.Shards);
            Begin(new ValidatingPhase(trained, times));
        }
    }

    /// <summary>Each worker measures its part of the validation samples. A validation that is cut begins again.</summary>
    private sealed class Validating(CoordinatorMachine machine, EpochTrained trained, IReadOnlyList<WorkerTimes> times) : Working(machine)
    {
        private readonly Roll<EpochSums> validated = new(
            machine, () => new Validate { Generation = machine.generation, Epoch = trained.Epoch });

        public override void Enter() => validated.Say();

        public override void Receive(Member from, IMessage message)
        {
            if (message is not Validated answer || answer.Epoch != trained.Epoch || !validated.Answer(from, answer.Sums)) return;
            var settings = Machine.settings;
            Machine.metrics = EpochMetrics.From(trained, validated.InRankOrder, settings.FigureNames, settings.RegularizedNames);
            Machine.effects.Add(new CoordinatorEffect.Judge(trained.Epoch, Machine.metrics[settings.Monitor], Machine.Best));
        }

        public override void Judged(CoordinatorInput.Judged judged)
        {
            if (judged.Epoch == trained.Epoch && validated.IsComplete) Machine.Decide(judged, trained.Stop, times);
        }

        public override void Tick()
        {
            validated.Repeat();
            GiveUpStalled(validated);
        }
    }

    /// <summary>One decision for the whole cluster: each worker has it before its next step, by whatever message comes first.</summary>
    private void Decide(CoordinatorInput.Judged judged, StopCause stop, IReadOnlyList<WorkerTimes> times)
    {
        var (epoch, decision) = (judged.Epoch, judged.Decision);
        bestMetrics = decision.KeepAsBest ? metrics : bestMetrics;
        decided = new EpochDecided
        {
            Epoch = epoch,
            Step = committed,
            KeepAsBest = decision.KeepAsBest,
            EarlyStopping = decision.Behind(committed),
            Plateau = settings.Plateau is { } watched ? PlateauRule.Decide(watched, Plateau, metrics![watched.Monitor]) : Plateau,
        };
        Publish(new EpochEnded(metrics!, decision) { Workers = times });
        NameStragglers(epoch, times);
        Request(StateNames.Checkpoint(committed, decision.KeepAsBest), StateContent.Checkpoint);
        lacksBest &= !decision.KeepAsBest;
        RequestBest();
        Request(StateNames.Histograms(epoch), StateContent.Histograms);
        switch (decision.Stop, stop, epoch >= settings.Epochs)
        {
            case (true, _, _): Finish(StopReason.EarlyStop, settings.RestoreBest); break;
            case (_, StopCause.StepLimit, _): Finish(StopReason.Steps, settings.RestoreBest); break;
            case (_, _, true): Finish(StopReason.Epochs, settings.RestoreBest); break;
            case var _ when interrupted: Finish(StopReason.Interrupted, restoreBest: false); break;
            default: Begin(new TrainingPhase(epoch + 1)); break;
        }
    }

    /// <summary>Each once: who is slow by its place is so in every epoch.</summary>
    private void NameStragglers(int epoch, IReadOnlyList<WorkerTimes> times)
    {
        var found = StragglerRule.Find(times);
        foreach (var (slow, others) in found)
        {
            var slot = slow.Worker.Slot;
            var isSure = slow.Steps >= StragglerRule.EnoughSteps || slowBefore.Contains(slot);
            if (isSure && stragglers.Add(slot)) Publish(new StragglerFound(slow, epoch, others));
        }

        slowBefore = [.. found.Select(static entry => entry.Slow.Worker.Slot)];
    }
}
