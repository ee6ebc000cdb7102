using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>What a majority has charged a worker's process with: to lead the run from now on.</summary>
/// <param name="Term">Its number: greater than that of any coordinator before.</param>
/// <param name="Generation">The last one that any of the voters was told to form.</param>
/// <param name="Bases">A majority of each must agree to the next generation.</param>
public sealed record Mandate(long Term, long Generation, IReadOnlyList<Roster> Bases);

/// <summary>
/// What the members of a generation do where their coordinator is silent: a majority of them chooses another, by terms and
/// votes as Raft's (Ongaro and Ousterhout, "In search of an understandable consensus algorithm", 2014), with its pre-vote.
/// </summary>
/// <remarks>
/// A vote is a promise: its giver hears no coordinator of an earlier term from then on. A generation works only where all of
/// its members were ready, and is formed by a majority of the one before; two majorities have a member in common, so that at
/// most one side goes on, whichever coordinator leads it (docs/adr/0018).
/// </remarks>
internal sealed partial class Succession(WorkerIdentity identity, List<WorkerEffect> effects, TimeSpan start)
{
    /// <summary>Of its registration: a vote is that of the member which the generation knows, and of no later comer.</summary>
    public required ByteString Incarnation { get; set; }

    /// <summary>Of the coordinator, behind which the first member stands.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(3);

    /// <summary>Of the coordinator, behind which a member gives its vote: those that stand are not all the first to notice.</summary>
    private static readonly TimeSpan Doubt = TimeSpan.FromSeconds(1.5);

    /// <summary>Between the standing of one of those that may lead and the next one's, up to <see cref="MostStaggered"/>.</summary>
    private static readonly TimeSpan Stagger = TimeSpan.FromSeconds(0.25);

    private const int MostStaggered = 8;

    /// <summary>Behind each loss of a coordinator.</summary>
    private const int MostWithdrawals = 3;

    /// <summary>For the votes of a round to come.</summary>
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(1.5);

    /// <summary>From a vote to the coordinator that comes of it.</summary>
    private static readonly TimeSpan Claiming = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Repeat = TimeSpan.FromSeconds(0.4);

    /// <summary>How long those that the majority has chosen for are told of it.</summary>
    private static readonly TimeSpan Announcing = TimeSpan.FromSeconds(10);

    /// <summary>
    /// For a promise to be claimed, by one that has its majority as late as <see cref="Round"/>, and may begin to lead as late as
    /// <see cref="Announcing"/> behind that; behind it a coordinator that is there after all is served again, as by a newcomer.
    /// </summary>
    private static readonly TimeSpan Promise = TimeSpan.FromSeconds(14);

    /// <summary>The same behind a vote that was given back: another may stand first.</summary>
    private static readonly TimeSpan Release = TimeSpan.FromSeconds(4);

    /// <summary>Without any coordinator, behind which a worker keeps its state and ends.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private TimeSpan now = start;
    private TimeSpan heard = start;
    private TimeSpan promised;
    private TimeSpan nextTry;

    /// <summary>Since when it is known that its coordinator leads no more, and that it is not waited for; null where it may.</summary>
    private TimeSpan? vacant;
    private FormGeneration? form;
    private bool begun;
    private bool declines;
    private bool abstains;
    private int withdrawals;
    private long told;
    private string votedFor = "";

    /// <summary>Its last vote was given back: nobody counts it any more.</summary>
    private bool isGivenBack;

    /// <summary>Votes before the last one that somebody may still count.</summary>
    private readonly List<(long Term, string Candidate, TimeSpan Since)> owed = [];

    /// <summary>The last term in which it was chosen itself.</summary>
    private long mandated;

    /// <summary>The highest term that another has voted in: the next one that it stands for is above.</summary>
    private long heardOf;
    private Candidacy? candidacy;
    private (TimeSpan Until, FollowCoordinator Message, IReadOnlyList<string> Whom)? announcement;
    private TimeSpan said;

    /// <summary>The term of the coordinator that it follows.</summary>
    public long Term { get; private set; }

    /// <summary>The highest term that it has voted in.</summary>
    public long Voted { get; private set; }

    /// <summary>It has promised not to hear its coordinator any more.</summary>
    public bool IsFenced { get; private set; }

    /// <summary>Whether it waits for another coordinator where its own is lost: workers that end with the home have no vote in it.</summary>
    public bool Waits => identity.MayLead && form is not null;

    /// <summary>Whether it stands itself where its coordinator is silent, and so hears from those that have another.</summary>
    public bool MayStand => Waits && !declines && !abstains;

    /// <summary>Whether it gives its vote to one that asks for it, or has given it.</summary>
    public bool MayVote => Waits && !abstains && (IsFenced || IsOrphan(Doubt));

    /// <summary>Whether it is known that its coordinator leads no more.</summary>
    public bool IsVacant => vacant is not null;

    /// <summary>Whether its coordinator has not been heard of for so long that members choose another.</summary>
    public bool IsSilent => IsOrphan(Silence);

    // ---- What its machine tells it ----

    /// <param name="at">The time.</param>
    /// <param name="gap">How long its process stood still before: nobody is late for that.</param>
    public void Advance(TimeSpan at, TimeSpan gap)
    {
        now = at;
        heard += gap;
        vacant += gap;
        promised += gap;
        for (var i = 0; i < owed.Count; i++)
        {
            owed[i] = owed[i] with { Since = owed[i].Since + gap };
        }
    }

    public void Hear()
    {
        (heard, vacant, withdrawals) = (now, null, 0);
        if (candidacy is { IsProbe: true }) candidacy = null;
    }

    public void Told(FormGeneration command) => told = Math.Max(told, command.Generation);

    /// <summary>It is connected to all the others, and has the state.</summary>
    public void Ready(FormGeneration command)
    {
        form = command.Clone();
        form.Token = ByteString.Empty;
        begun = false;
    }

    /// <summary>A command within a generation says that all were ready.</summary>
    public void Begin(long generation) => begun |= form?.Generation == generation;

    /// <summary>It is no member any more; what that one has promised binds no newcomer, whose vote nobody counts for it.</summary>
    public void Leave()
    {
        (form, begun, IsFenced, candidacy) = (null, false, false, null);
        owed.Clear();
        (heardOf, Voted, votedFor) = (Math.Max(heardOf, Voted), Term, "");
        heard = now;
    }

    /// <summary>Its coordinator leads no more: it is not waited for.</summary>
    public void LoseCoordinator() => vacant ??= now;

    /// <summary>Another coordinator is waited for from now on.</summary>
    public void Expect() => heard = now;

    /// <summary>
    /// Its coordinator is told that it has failed, and counts it as gone, and so as agreeing: another one's majority must not
    /// have it too.
    /// </summary>
    public void Abstain()
    {
        if (candidacy is { IsProbe: false } mine) GiveBack(mine.Term, Peers(mine.Bases));
        (abstains, candidacy) = (true, null);
    }

    public void Accept(long term) => Term = Math.Max(Term, term);

    // ---- Standing ----

    public void Tick()
    {
        if (announcement is not null) Announce();
        Regret();
        if (!Waits) return;
        if (candidacy is not null && now - candidacy.Since > Round) GiveUp();
        if (candidacy is not null)
        {
            if (now - said > Repeat) Ask();
        }
        else if (IsSilent && MayStand && !IsToWait && IsOrphan(Silence + Lead()) && now >= nextTry)
        {
            Stand(isProbe: true);
        }
    }

    /// <summary>
    /// No coordinator has come for so long that none is to be expected. One that was chosen last may still come, and where it does not
    /// another is asked for; but not for ever.
    /// </summary>
    public bool IsForsaken =>
        identity.MayLead && IsOrphan(Patience) && ((announcement is null && now - promised > Promise + Silence) || IsOrphan(2 * Patience));

    /// <summary>What it tells the others of the coordinator in its own process, as long as it does not follow that one itself.</summary>
    public FollowCoordinator? OwnWord => announcement is { Message: { Coordinator.Length: > 0 } word } && word.Term > Term ? word : null;

    /// <summary>It serves a coordinator that it had given up, since nobody has come to claim its promise.</summary>
    public bool IsReleased => IsUnclaimed && now - heard < Doubt && !IsVacant;

    /// <summary>
    /// Whether it follows a coordinator of an earlier term than it has voted in: nobody has come to claim that vote, and the
    /// others have chosen without it. The member that gave it can not, but a newcomer can.
    /// </summary>
    public bool IsReleasedTo(FollowCoordinator follow) =>
        identity.MayLead && IsUnclaimed && follow.Term > Term && follow.Term < Owed;

    /// <summary>The highest term of a vote that somebody may still count, the last one or one before; 0 where there is none.</summary>
    private long Owed => Math.Max(owed.Select(static vote => vote.Term).DefaultIfEmpty().Max(), IsLastOwed ? Voted : 0);

    /// <summary>
    /// Of the last one: by another that it was given to, or since it was chosen with it itself. A candidate that was not, and leaves it at
    /// that, counts no vote of its term any more.
    /// </summary>
    private bool IsLastOwed => !isGivenBack && (votedFor != identity.Control || Voted <= mandated);

    private bool IsUnclaimed =>
        IsFenced
        && announcement is not { Message.Coordinator: "" }
        && now - promised > (isGivenBack ? Claiming + Release : Promise)
        && owed.TrueForAll(vote => vote.Term <= Term || now - vote.Since > Promise);

    /// <summary>It has given its vote, and whoever has it is to have the time to do something with it.</summary>
    private bool IsWaiting => IsFenced && now - promised < Claiming;

    /// <summary>Behind a promise too, which many have given at once, they stand by their ranks: else each would vote for itself.</summary>
    private bool IsToWait => IsFenced && now - promised < Claiming + Lead();

    /// <summary>One that leads no more counts as silent for as long as the first to stand waits.</summary>
    private bool IsOrphan(TimeSpan patience) =>
        now - heard > patience || (patience < Patience && vacant is { } since && now - since > patience - Silence);

    /// <summary>By its rank among those that may lead: the others would have them wait for nobody.</summary>
    private TimeSpan Lead() => Stagger * Math.Min(MostStaggered, form!.Members.TakeWhile(m => m.Incarnation != Incarnation).Count(static m => m.MayLead));

    private void Stand(bool isProbe)
    {
        var term = Math.Max(Math.Max(Voted, Term), heardOf) + 1;
        if (!isProbe) Grant(term, identity.Control);
        candidacy = new Candidacy(term, isProbe, now);
        candidacy.Add(OwnVote(term, isProbe, isGranted: true));
        Ask();
        Count();
    }

    private void Ask()
    {
        said = now;
        Tell(Peers(candidacy!.Bases), new RequestVote { Term = candidacy.Term, Probe = candidacy.IsProbe, Candidate = identity.Control });
    }

    private void Tell(IReadOnlyList<string> peers, IMessage message)
    {
        foreach (var peer in peers)
        {
            effects.Add(new WorkerEffect.Tell(peer, message));
        }
    }

    private IReadOnlyList<string> Peers(IEnumerable<Roster> bases) =>
        [.. bases.SelectMany(static roster => roster.Members).Select(static m => m.Control).Distinct().Where(path => path.Length > 0 && path != identity.Control)];

    private void Count()
    {
        if (!candidacy!.HasMajority) return;
        if (candidacy.IsProbe)
        {
            Stand(isProbe: false);
            return;
        }

        effects.Add(new WorkerEffect.Lead(new Mandate(candidacy.Term, candidacy.Votes.Max(static vote => vote.Generation), candidacy.Bases)));
        announcement = (now + Announcing, new FollowCoordinator { Term = candidacy.Term }, Peers(candidacy.Bases));
        mandated = candidacy.Term;
        candidacy = null;
        nextTry = now + Announcing;
    }
}
