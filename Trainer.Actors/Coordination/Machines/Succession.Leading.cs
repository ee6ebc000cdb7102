using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>What one that was chosen tells the others.</content>
internal sealed partial class Succession
{
    /// <summary>
    /// Its process has a coordinator now, of the term that it was chosen for: the others are to come to it. One that comes when nobody waits
    /// for it any more is none of theirs, and ends: its votes were given back.
    /// </summary>
    public void Leads(long term, string coordinator)
    {
        if (announcement is not { } pending || pending.Message.Term != term)
        {
            effects.Add(new WorkerEffect.Retire(term));
            return;
        }

        pending.Message.Coordinator = coordinator;
        announcement = pending with { Until = now + Announcing };
        Announce();
        Follow(pending.Message);
    }

    /// <summary>Its process cannot lead: it stands no more, and votes for others. One that was chosen before it may still come to lead.</summary>
    public void Decline(long term)
    {
        if (term == mandated) declines = true;
        if (announcement is not { } pending || pending.Message.Term != term) return;
        announcement = null;
        GiveBack(term, pending.Whom);
        if (Voted == term) promised = now - Claiming;
    }

    /// <summary>As long as its process has no coordinator, there is nobody to follow.</summary>
    private void Announce()
    {
        var (until, message, whom) = announcement!.Value;
        if (message.Coordinator.Length > 0 && (now - said > Repeat || message.Term > Term))
        {
            said = now;
            Tell(whom, message);
        }

        if (now < until) return;
        announcement = null;
        if (message.Coordinator.Length == 0) GiveBack(message.Term, whom);
    }
}
