using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>What one that was chosen tells the others.</content>
internal sealed partial class Succession
{
    /// <summary>
    /// Its process has a coordinator now, of the term that it was chosen for: the others are to come to it. One that comes when nobody waits
    /// for it any more is none of theirs.
    /// </summary>
    public void Leads(long term, string coordinator)
    {
        if (announcement is not { } pending || pending.Message.Term != term) return;
        pending.Message.Coordinator = coordinator;
        announcement = pending with { Until = now + Announcing };
        Announce();
        Follow(pending.Message);
    }

    /// <summary>Its process cannot lead: it stands no more, and votes for others.</summary>
    public void Decline(long term)
    {
        if (announcement?.Message.Term == term) (announcement, declines) = (null, true);
    }

    /// <summary>As long as its process has no coordinator, there is nobody to follow.</summary>
    private void Announce()
    {
        var (until, message, whom) = announcement!.Value;
        if (message.Coordinator.Length > 0 && (now - said > Repeat || message.Term > Term))
        {
            said = now;
            foreach (var peer in whom)
            {
                effects.Add(new WorkerEffect.Tell(peer, message));
            }
        }

        if (now >= until) announcement = null;
    }
}
