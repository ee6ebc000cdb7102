using System.Security.Cryptography;
using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>States that are on their way from a worker to the run's folder.</content>
public sealed partial class CoordinatorMachine
{
    private void Request(string name, StateContent content, Member? from = null)
    {
        var sender = from ?? generationMembers[0];
        deliveries[name] = (sender, content);
        Send(sender, RequestOf(name, content, again: false));
    }

    private DeliverState RequestOf(string name, StateContent content, bool again) => new()
    {
        // One that stands still may have been told of a later generation than it was part of here.
        Generation = stage is Saving ? Math.Max(generation, told) : generation,
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

    private void NoteDelivered(Member from, StateDelivered delivered)
    {
        if (!CryptographicOperations.FixedTimeEquals(delivered.Token.Span, settings.StateToken)) return;
        if (delivered.Failure.Length > 0)
        {
            if (!deliveries.ContainsKey(delivered.Name)) return;

            // It may come anew: another is asked meanwhile.
            if (!delivered.Refused) Lose(from, new Loss($"could not hand over {delivered.Name}: {delivered.Failure}", IsConfirmed: false));
            else NoteRefused(delivered.Name, delivered.Failure);
            return;
        }

        deliveries.Remove(delivered.Name);
        refused.Remove(delivered.Name);
        lacksBest |= delivered.Missed && StateNames.IsOfBest(delivered.Name);
        if (!delivered.Missed && Outdates(delivered.Name)) lastCheckpoint = delivered.Name;
        stage.Delivered();
    }

    /// <summary>
    /// The home could not write it, as where its disk is full, whichever worker sends it. What the run can end without is given
    /// up, since later states follow; what it cannot is asked for again as long as it is waited for.
    /// </summary>
    private void NoteRefused(string name, string reason)
    {
        if (refused.TryAdd(name, reason)) Publish(new StateNotKept(name, reason));
        lacksBest |= StateNames.IsOfBest(name);
        if (stage.IsIndispensable(name)) return;
        refused.Remove(name);
        deliveries.Remove(name);
        stage.Delivered();
    }

    /// <summary>What kept those from being written that are waited for; null where none of them was refused.</summary>
    private string? WhyRefused => refused.Where(entry => deliveries.ContainsKey(entry.Key)).Select(static entry => entry.Value).FirstOrDefault();

    /// <summary>The best weights, where the run is to end with them and the home could not keep them or has not seen them come.</summary>
    private void RequestBest(Member? from = null)
    {
        if (lacksBest && settings.RestoreBest && Best.BestEpoch > 0) Request(StateNames.Best, StateContent.Best, from);
        lacksBest = false;
    }

    /// <summary>States come by several ways: an earlier one may come last.</summary>
    private bool Outdates(string name) =>
        name == StateNames.Final
        || lastCheckpoint != StateNames.Final && StateNames.StepOf(name) is { } step
        && (lastCheckpoint is null || step >= StateNames.StepOf(lastCheckpoint));
}
