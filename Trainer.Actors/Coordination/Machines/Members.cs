using System.Security.Cryptography;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>The workers that have registered and were not given up; their slots order the ranks, whatever the order of arrival.</summary>
/// <param name="joinToken">The run's.</param>
/// <param name="reserved">The first slots, of workers that the home starts itself: others may well come before them.</param>
internal sealed class Members(byte[] joinToken, int reserved)
{
    private readonly SortedDictionary<int, Member> bySlot = [];
    private readonly List<Member> registered = [];
    private readonly HashSet<Member> confirmed = [];
    private readonly Dictionary<Google.Protobuf.ByteString, Member> expected = [];
    private readonly int reserved = reserved;
    private int nextSlot = reserved;
    private Member[]? all;

    /// <summary>In the order of their slots; those of now, whoever comes or is given up afterwards.</summary>
    public IReadOnlyList<Member> All => all ??= [.. bySlot.Values];

    public IReadOnlyList<Member> Prepared => [.. All.Where(static m => m.IsPrepared)];

    public Member? Of(object channel)
    {
        // Each message asks.
        for (var i = 0; i < All.Count; i++)
        {
            if (All[i].Channel!.Equals(channel)) return All[i];
        }

        return null;
    }

    /// <summary>
    /// All that ever registered from a process that the home has started, those that were given up among them. Only these have
    /// its slots: another process may have the same number, and in a container its machine the home's name.
    /// </summary>
    public IReadOnlyList<Member> OfProcess(int processId, string host) =>
        [.. registered.Where(m => m.Slot < reserved && m.Entry.ProcessId == processId && m.Entry.Host == host)];

    public bool Has(Member member) => bySlot.TryGetValue(member.Slot, out var found) && found == member;

    /// <summary>Notes that these are gone for good.</summary>
    public void Confirm(IEnumerable<Member> gone) => confirmed.UnionWith(gone);

    public bool IsConfirmed(Member member) => confirmed.Contains(member);

    public bool Remove(Member member)
    {
        if (!Has(member)) return false;
        bySlot.Remove(member.Slot);
        all = null;
        return true;
    }

    /// <summary>A worker that another coordinator had: it registers as the one that it was.</summary>
    public Member Expect(Protocol.Member described, TimeSpan now)
    {
        if (!expected.TryGetValue(described.Incarnation, out var member))
        {
            expected[described.Incarnation] = member = Member.Of(described, now);
            nextSlot = Math.Max(nextSlot, member.Slot + 1);
        }

        return member;
    }

    /// <summary>Who of them has not come by now is a newcomer when it does.</summary>
    public void ForgetExpected() => expected.Clear();

    /// <summary>What the one that registers here was until it came anew; null where it was nothing, or is that still.</summary>
    public Member? FormerOf(RegisterWorker registration, object channel) =>
        Of(channel) is { } member && member.Incarnation != registration.Incarnation && HasToken(registration) ? member : null;

    private bool HasToken(RegisterWorker registration) => CryptographicOperations.FixedTimeEquals(registration.JoinToken.Span, joinToken);

    /// <summary>Takes a worker in, or finds the one that registers again.</summary>
    /// <returns>The member, or null and why it is refused.</returns>
    public (Member? Member, string Refusal) Register(RegisterWorker registration, object channel, TimeSpan now, int? most)
    {
        if (!HasToken(registration)) return (null, "the join token is not this run's");

        if (bySlot.Values.FirstOrDefault(m => m.Incarnation == registration.Incarnation) is { } again)
        {
            return again.Channel!.Equals(channel) ? (again, "") : (null, $"{again} has registered with this incarnation");
        }

        if (expected.Remove(registration.Incarnation, out var former))
        {
            (former.Channel, former.Heard) = (channel, now);
            return (Add(former), "");
        }

        if (registration.Slot >= 0 && bySlot.TryGetValue(registration.Slot, out var known))
        {
            return (null, $"slot {registration.Slot} is taken by {known}");
        }

        if (bySlot.Count >= most)
        {
            return (null, $"the run has the {most} workers that it can have at most");
        }

        var slot = registration.Slot >= 0 ? registration.Slot : FreeSlot();
        nextSlot = Math.Max(nextSlot, slot + 1);
        var entry = new RosterEntry(slot, registration.Host, registration.ProcessId, registration.Device, registration.Share);
        return (Add(new Member(entry, channel, registration.Incarnation, registration.Control, now) { Process = registration.Process, MayLead = registration.MayLead }), "");
    }

    private Member Add(Member member)
    {
        bySlot[member.Slot] = member;
        all = null;
        registered.Add(member);
        return member;
    }

    /// <summary>Slots are not used twice, so that a name in a log is one worker's.</summary>
    private int FreeSlot() => nextSlot;
}
