using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>A round of asking for votes.</summary>
internal sealed class Candidacy(long term, bool isProbe, TimeSpan since)
{
    private readonly Dictionary<ByteString, Vote> votes = [];

    public long Term => term;

    public bool IsProbe => isProbe;

    public TimeSpan Since => since;

    public IEnumerable<Vote> Votes => votes.Values;

    public void Add(Vote vote) => votes[vote.Incarnation] = vote;

    /// <summary>Whose majority counts: the newest generation, and those that agreed to it where it may not have begun.</summary>
    public IReadOnlyList<Roster> Bases
    {
        get
        {
            var newest = votes.Values.MaxBy(static vote => vote.Form.Generation)!.Form;
            var hasBegun = votes.Values.Any(vote => vote.Begun && vote.Form.Generation == newest.Generation);
            var members = new Roster { Members = { newest.Members } };
            return hasBegun ? [members] : [.. newest.Bases, members];
        }
    }

    public bool HasMajority => Bases.All(roster => 2 * roster.Members.Count(m => votes.ContainsKey(m.Incarnation)) > roster.Members.Count);
}
