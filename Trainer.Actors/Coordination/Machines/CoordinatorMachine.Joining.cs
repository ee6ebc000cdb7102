using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>How workers come, and which of them are turned away.</content>
public sealed partial class CoordinatorMachine
{
    /// <summary>One that says what cannot be is of another version, or worse. It is not gone: it may have given its vote elsewhere.</summary>
    private void Refuse(object channel, string flaw)
    {
        if (members.Of(channel) is { } member)
        {
            Lose(member, new Loss($"sent {flaw}", IsConfirmed: false));
        }
        else
        {
            Send(channel, new WorkerRefused { Reason = $"it sent {flaw}" });
        }
    }

    private void Welcome(object channel, RegisterWorker registration)
    {
        // A worker that has come anew does not speak for the member that it was, which may have promised itself to another coordinator.
        if (members.FormerOf(registration, channel) is { } former) Lose(former, new Loss("has come anew", IsConfirmed: false));
        if (IsOutvoted && registration.Generation > 0)
        {
            // It has a part in the run, and is to look for it elsewhere.
            if (!HasEnded) Send(channel, Resignation());
            return;
        }

        // One that has not heard that it is taken in may be at work by now, and at the run's end.
        var isTakenIn = !HasEnded && members.Of(channel) is { } known && known.Incarnation == registration.Incarnation;
        if (!isTakenIn && (stage.Refusal ?? Likeness.WhyNot(registration, settings)) is { } reason)
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

        // What was to be said to the member that it was is nothing to the newcomer.
        foreach (var gone in givenUp.Keys.Where(gone => channel.Equals(gone.Channel) && gone.Incarnation != member.Incarnation).ToList())
        {
            givenUp.Remove(gone);
        }

        (member.Heard, member.Doubted, member.Disconnected, member.IsRefused) = (now, null, null, false);
        effects.Add(new CoordinatorEffect.Watch(channel));
        told = Math.Max(told, registration.Generation);
        if (member.IsAnswered(now, settings.Patience.Answer, settings.Patience.LongestAnswer))
        {
            Send(member, new WorkerAccepted { Slot = member.Slot, Job = settings.Job, Term = term, Peers = { OthersThan(member) } });
        }

        stage.Registered();
    }

    /// <summary>Where the others are reached: those that live on where this coordinator does not, and know who leads then.</summary>
    private IEnumerable<string> OthersThan(Member member) =>
        members.All.Where(other => other != member).Select(static other => other.Control).Where(static path => path.Length > 0);

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
        if (prepared.Threads > 0) member.NoteThreads(prepared.Threads);
        if (member.IsPrepared) return;
        if (Likeness.WhyNot(prepared, settings) is { } reason)
        {
            members.Remove(member);
            effects.Add(new CoordinatorEffect.Unwatch(member.Channel!));
            Send(member, new WorkerRefused { Reason = reason });
            return;
        }

        member.DataPlane = prepared.DataPlane;

        // What a worker begins with counts at the beginning alone: later the run's state is with those that trained.
        member.Position = generation == 0 ? prepared.Position : null;
        stage.Joined(member);
    }
}
