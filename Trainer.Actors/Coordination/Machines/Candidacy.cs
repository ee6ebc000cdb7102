using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>A round of asking for votes.</summary>
internal sealed class Candidacy(long term, bool isProbe, TimeSpan since)
{
    private readonly Dictionary<ByteString, Vote> votes = [];

    /// <summary>Generations all of whose members were ready. That is so whoever says it, one that refuses its vote too.</summary>
    private readonly HashSet<long> begun = [];

    /// <summary>Members that have given their vote of this term to another.</summary>
    private readonly HashSet<ByteString> taken = [];

    public long Term => term;

    public bool IsProbe => isProbe;

    public TimeSpan Since => since;

    public IEnumerable<Vote> Votes => votes.Values;

    public void NoteBegun(long generation) => begun.Add(generation);

    public void Refuse(Vote vote)
    {
        if (vote.Voted >= term) taken.Add(vote.Incarnation);
    }

    public void Add(Vote vote)
    {
        votes[vote.Incarnation] = vote;
        if (vote.Begun) NoteBegun(vote.Form.Generation);
    }

    /// <summary>Whose majority counts: the newest generation, and those that agreed to it where it may not have begun.</summary>
    public IReadOnlyList<Roster> Bases
    {
        get
        {
            var newest = votes.Values.MaxBy(static vote => vote.Form.Generation)!.Form;
            var members = new Roster { Members = { newest.Members } };
            return begun.Contains(newest.Generation) ? [members] : [.. newest.Bases, members];
        }
    }

    public bool HasMajority => IsMajority(m => votes.ContainsKey(m.Incarnation));

    /// <summary>Whether those that have a vote, and have not given it to another, are too few.</summary>
    public bool IsLost => !IsMajority(m => m.MayLead && !taken.Contains(m.Incarnation));

    private bool IsMajority(Func<Protocol.Member, bool> agrees) => Bases.All(roster => 2 * roster.Members.Count(agrees) > roster.Members.Count);
}
