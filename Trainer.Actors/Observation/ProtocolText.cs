using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Observation;

/// <summary>Messages as a log shows them: by their names alone where they have tokens, or a whole script.</summary>
internal static class ProtocolText
{
    public static string Of(IMessage message) => message switch
    {
        Halt halt => $"Halt, round {halt.Round}: {halt.Reason}",
        WorkerHalted halted => $"WorkerHalted, round {halted.Round}, at step {halted.Position?.Step}",
        FormGeneration form => $"FormGeneration {form.Generation} of {form.Members.Count}, from step {form.Position?.Step}",
        TrainEpoch train => $"TrainEpoch {train.Epoch}",
        EpochTrained trained => $"EpochTrained {trained.Epoch}, at step {trained.Step}",
        Validate validate => $"Validate {validate.Epoch}",
        DeliverState deliver => $"DeliverState {deliver.Name}",
        StateDelivered delivered => $"StateDelivered {delivered.Name}{(delivered.Failure.Length > 0 ? $", which failed: {delivered.Failure}" : "")}",
        WorkerFailed failed => $"WorkerFailed ({failed.Kind}): {failed.Reason}",
        _ => message.Descriptor.Name,
    };
}
