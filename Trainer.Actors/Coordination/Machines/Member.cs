using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>A worker that registered, as the coordinator knows it.</summary>
internal sealed class Member(RosterEntry entry, object channel, ByteString incarnation, TimeSpan now)
{
    public RosterEntry Entry => entry;

    public int Slot => entry.Slot;

    public object Channel => channel;

    public ByteString Incarnation => incarnation;

    /// <summary>Where its peers reach it; null until it is prepared.</summary>
    public Endpoint? DataPlane { get; set; }

    /// <summary>Where its whole state stands, as far as it has said; null if it has none that counts.</summary>
    public Position? Position { get; set; }

    /// <summary>When it was last heard of.</summary>
    public TimeSpan Heard { get; set; } = now;

    /// <summary>When its step or its activity last changed.</summary>
    public TimeSpan Moved { get; set; } = now;

    public Heartbeat? Beat { get; private set; }

    public bool IsPrepared => DataPlane is not null;

    public void Note(Heartbeat beat, TimeSpan at)
    {
        if (Beat is null || (Beat.Generation, Beat.Step, Beat.Activity) != (beat.Generation, beat.Step, beat.Activity)) Moved = at;
        Beat = beat;
    }

    public override string ToString() => entry.ToString();
}
