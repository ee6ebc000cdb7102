namespace CnnCluster.Kernels.Collectives;

/// <summary>Which ranks of a mesh run on one host and share memory: the same on every rank.</summary>
internal sealed class MeshHosts
{
    private MeshHosts(IReadOnlyList<int> ranks) => Ranks = ranks;

    /// <summary>How many ranks each host has; the first ones are the first host's.</summary>
    public IReadOnlyList<int> Ranks { get; }

    /// <summary>Whether some ranks reach each other over a network alone.</summary>
    public bool AreSeveral => Ranks.Count > 1;

    /// <summary>Whether a buffer need not cross the network once a rank.</summary>
    public bool AreShared => AreSeveral && Ranks.Any(static ranks => ranks > 1);

    /// <summary>The first rank of each.</summary>
    public IEnumerable<int> Firsts => Ranks.Index().Select(host => Ranks.Take(host.Index).Sum());

    /// <summary>Every rank by itself.</summary>
    public static MeshHosts OneEach(int world) => new([.. Enumerable.Repeat(1, world)]);

    /// <summary>
    /// Hosts as ranks found each other. Where that makes no hosts whose ranks follow one another, as with containers of which
    /// only some share memory, every rank counts as a host.
    /// </summary>
    /// <param name="shares">Of each rank, with which others it shares memory: 1, or 0.</param>
    public static MeshHosts Of(IReadOnlyList<byte[]> shares)
    {
        var ranks = new List<int>();
        for (var first = 0; first < shares.Count; first += ranks[^1])
        {
            ranks.Add(1 + shares[first].Skip(first + 1).TakeWhile(static shared => shared == 1).Count());
        }

        var found = new MeshHosts(ranks);
        return shares.Index().All(rank => rank.Item.SequenceEqual(found.RowOf(rank.Index))) ? found : OneEach(shares.Count);
    }

    private IEnumerable<byte> RowOf(int rank)
    {
        var of = Ranks.SelectMany(static (ranks, host) => Enumerable.Repeat(host, ranks)).ToList();
        return of.Select((host, other) => (byte)(host == of[rank] && other != rank ? 1 : 0));
    }
}
