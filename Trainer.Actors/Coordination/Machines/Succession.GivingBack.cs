using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>Votes that are given back: whoever gave them is free for others.</content>
internal sealed partial class Succession
{
    /// <summary>When what gives them back is said next, and until when: nothing answers it.</summary>
    private readonly List<(TimeSpan Due, TimeSpan Until, RequestVote Message, IReadOnlyList<string> Whom)> regrets = [];

    /// <summary>Where two have stood at once, and neither had a majority, the next time one of them is the first.</summary>
    private void GiveUp()
    {
        nextTry = candidacy!.Since + Claiming + Lead() + Stagger;
        if (!candidacy.IsProbe) GiveBack(candidacy.Term, Peers(candidacy.Bases));
        candidacy = null;
    }

    /// <summary>
    /// Two have stood at once, and votes are missing for both: nobody waits for the rest of the round, nor for what its votes
    /// promised it. A few times, since those to whom the ranks say different things would meet again and again.
    /// </summary>
    private void Withdraw()
    {
        GiveBack(candidacy!.Term, Peers(candidacy.Bases));
        candidacy = null;
        withdrawals++;
        promised = now - Claiming;
    }

    /// <summary>It does not lead in this term, whatever votes still come: neither the others' nor its own bind anybody to it.</summary>
    private void GiveBack(long term, IReadOnlyList<string> peers)
    {
        var message = new RequestVote { Term = term, Candidate = identity.Control, Withdrawn = true };
        Tell(peers, message);
        regrets.Add((now + Repeat, now + Release, message, peers));
        if (Voted == term && votedFor == identity.Control) isGivenBack = true;
        Forget(term, identity.Control);
    }

    /// <summary>Says again what it has given back.</summary>
    public void Regret()
    {
        for (var i = regrets.Count - 1; i >= 0; i--)
        {
            var (due, until, message, whom) = regrets[i];
            if (now < due) continue;
            Tell(whom, message);
            if (now < until) regrets[i] = (now + Repeat, until, message, whom);
            else regrets.RemoveAt(i);
        }
    }

    private void Forget(long term, string candidate) => owed.RemoveAll(vote => vote.Term == term && vote.Candidate == candidate);

    /// <summary>Nobody claims what it has promised this candidate in this term.</summary>
    private void TakeBack(RequestVote request)
    {
        Forget(request.Term, request.Candidate);
        if (IsFenced && !isGivenBack && request.Term == Voted && request.Candidate == votedFor) (promised, isGivenBack) = (now - Claiming, true);
    }
}
