using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>A worker that registered, as the coordinator knows it, or that another coordinator had and this one waits for.</summary>
internal sealed class Member(RosterEntry entry, object? channel, ByteString incarnation, string control, TimeSpan now)
{
    private TimeSpan answersAgain;
    private TimeSpan pause;

    public RosterEntry Entry { get; private set; } = entry;

    public int Slot => Entry.Slot;

    /// <summary>Where it is reached; null until it has registered.</summary>
    public object? Channel { get; set; } = channel;

    public ByteString Incarnation => incarnation;

    /// <summary>Tells its process from all others.</summary>
    public required ByteString Process { get; init; }

    /// <summary>Where its peers reach its side of the protocol.</summary>
    public string Control => control;

    /// <summary>Whether it may lead the run where its coordinator is gone.</summary>
    public bool MayLead { get; init; }

    /// <summary>Where its peers reach it; null until it is prepared.</summary>
    public Endpoint? DataPlane { get; set; }

    /// <summary>Where its whole state stands, as far as it has said; null if it has none that counts.</summary>
    public Position? Position { get; set; }

    /// <summary>When it was last heard of.</summary>
    public TimeSpan Heard { get; set; } = now;

    /// <summary>Since when the control plane takes it for gone, and it has not spoken; null where it does not.</summary>
    public TimeSpan? Doubted { get; set; }

    /// <summary>Since when a connection of the control plane to it has ended, or it is taken for gone, and it has said nothing for sure since; else null.</summary>
    public TimeSpan? Disconnected { get; set; }

    /// <summary>Whether its host has refused a connection to where it listened since.</summary>
    public bool IsRefused { get; set; }

    /// <summary>When what its thread does was last seen to come on.</summary>
    public TimeSpan Moved { get; set; } = now;

    public Heartbeat? Beat { get; private set; }

    public bool IsPrepared => DataPlane is not null;

    /// <summary>
    /// Whether its registration is answered: the first at once, and each that follows behind twice the time of the one before, from
    /// <paramref name="first"/> to <paramref name="most"/>. The answer has the whole job in it, which takes its time on a slow link.
    /// </summary>
    public bool IsAnswered(TimeSpan at, TimeSpan first, TimeSpan most)
    {
        if (at < answersAgain) return false;
        pause = pause == TimeSpan.Zero ? first : TimeSpan.FromTicks(Math.Min(2 * pause.Ticks, most.Ticks));
        answersAgain = at + pause;
        return true;
    }

    public void Note(Heartbeat beat, TimeSpan at)
    {
        if (Beat is null || DoneOf(Beat) != DoneOf(beat)) Moved = at;
        Beat = beat;
    }

    public void NoteThreads(int threads) => Entry = Entry with { Threads = threads };

    /// <summary>What a thread has done: where it changes, the thread comes on.</summary>
    public static (long Generation, long Step, long Progress, Activity Activity) DoneOf(Heartbeat beat) =>
        (beat.Generation, beat.Step, beat.Progress, beat.Activity);

    /// <summary>As its peers are told of it.</summary>
    public Protocol.Member Described => new()
    {
        Slot = Slot,
        DataPlane = DataPlane,
        Share = Entry.Share,
        Host = Entry.Host,
        ProcessId = Entry.ProcessId,
        Device = Entry.Device,
        Incarnation = incarnation,
        Control = control,
        MayLead = MayLead,
        Process = Process,
    };

    /// <summary>One that another coordinator had.</summary>
    public static Member Of(Protocol.Member described, TimeSpan now) => new(
        new RosterEntry(described.Slot, described.Host, described.ProcessId, described.Device, described.Share),
        channel: null,
        described.Incarnation,
        described.Control,
        now)
    {
        DataPlane = described.DataPlane,
        MayLead = described.MayLead,
        Process = described.Process,
    };

    public override string ToString() => Entry.ToString();
}
