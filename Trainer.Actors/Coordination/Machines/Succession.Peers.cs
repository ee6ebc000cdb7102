using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>What peers say: they ask for votes, give theirs, and tell who leads.</content>
internal sealed partial class Succession
{
    public void Receive(IMessage message)
    {
        switch (message)
        {
            case RequestVote { Withdrawn: true } request: TakeBack(request); break;
            case RequestVote request: Answer(request); break;
            case Vote vote: Note(vote); break;
            case FollowCoordinator follow: Follow(follow); break;
            default: break;
        }
    }

    private void Answer(RequestVote request)
    {
        var again = IsFenced && !isGivenBack && request.Term == Voted && request.Candidate == votedFor;
        var isGranted = Waits && !abstains && (again || (request.Term > Voted && request.Term > Term && !IsWaiting && (IsFenced || IsOrphan(Doubt))));
        if (isGranted && !request.Probe && !again) Grant(request.Term, request.Candidate);
        effects.Add(new WorkerEffect.Tell(request.Candidate, OwnVote(request.Term, request.Probe, isGranted)));

        // Who was away while another was chosen asks for votes, and gets none: it would end without having found that one.
        if (!isGranted && !IsFenced && !IsOrphan(Doubt)) effects.Add(new WorkerEffect.Direct(request.Candidate));
    }

    private void Grant(long term, string candidate)
    {
        if (IsLastOwed) owed.Add((Voted, votedFor, promised));
        (Voted, votedFor, IsFenced, promised, isGivenBack) = (term, candidate, true, now, false);
        if (candidate != identity.Control) candidacy = null;
    }

    private Vote OwnVote(long term, bool isProbe, bool isGranted) => new()
    {
        Term = term,
        Probe = isProbe,
        Granted = isGranted,
        Incarnation = Incarnation,
        Form = form,
        Begun = begun,
        Voted = Voted,
        Generation = told,
    };

    private void Note(Vote vote)
    {
        heardOf = Math.Max(heardOf, vote.Voted);
        if (vote.Form is null || candidacy is not { } mine || mine.Term != vote.Term || mine.IsProbe != vote.Probe) return;
        if (vote.Begun) mine.NoteBegun(vote.Form.Generation);
        if (vote.Granted) mine.Add(vote);
        else mine.Refuse(vote);
        Count();
        if (candidacy == mine && !mine.IsProbe && mine.IsLost && withdrawals < MostWithdrawals) Withdraw();
    }

    /// <summary>
    /// Votes of later terms that nobody counts any more are none: who was chosen before them, and was late to lead, is followed by the
    /// member that gave them, which may be the one that is missing for a majority. It votes in none of these terms again.
    /// </summary>
    private void Follow(FollowCoordinator follow)
    {
        if (!identity.MayLead || follow.Term <= Term || follow.Term < Owed) return;
        if (follow.Term < Voted && candidacy is { IsProbe: false } mine) GiveBack(mine.Term, Peers(mine.Bases));
        if (follow.Term > Voted) (Voted, votedFor) = (follow.Term, "");
        (Term, IsFenced, candidacy) = (follow.Term, false, null);
        Hear();
        effects.Add(new WorkerEffect.Follow(follow.Coordinator));
    }
}
