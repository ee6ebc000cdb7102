namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// What lies where in a rank's segment: its nonce, then for each other rank what this one tells it, then for each other
/// rank the slots of the messages to it.
/// </summary>
/// <param name="World">How many ranks the mesh has.</param>
internal readonly record struct SharedLayout(WorldSize World)
{
    /// <summary>Messages to one rank that may lie unread: what the collectives' schedules need.</summary>
    public const int Slots = 4;

    /// <summary>In front of each message in its slot, so that the message is aligned as vectors like it.</summary>
    public const int HeaderRoom = 64;

    /// <summary>In front of a message too: where it lies in its sender's home, 8 bytes, or that it lies in the slot.</summary>
    public const int PlaceAt = 32;

    /// <summary>Words that different processors write lie so far apart, as caches fetch two lines at a time.</summary>
    private const int Apart = 128;

    private const int Page = 4096;

    /// <summary>For the longest blocks: a segment is made before its ranks know who of them shares a host.</summary>
    private int SlotBytes => HeaderRoom + Blocks.Bytes(World, spansHosts: true);

    private int ControlBytes => 3 * Apart * World.Value;

    private int DataStart => (SharedSegment.NonceBytes + Apart + ControlBytes + Page - 1) / Page * Page;

    public long SegmentBytes => DataStart + ((long)World.Value * Slots * SlotBytes);

    /// <summary>In its writer's segment: how many messages it has sent to the rank.</summary>
    public int SentTo(Rank rank) => Word(0, rank);

    /// <summary>In its reader's segment: how many messages of the rank it has done with.</summary>
    public int TakenFrom(Rank rank) => Word(1, rank);

    /// <summary>In the waiting rank's segment: whether it sleeps until the rank wakes it.</summary>
    public int SleepsFor(Rank rank) => Word(2, rank);

    /// <summary>In its writer's segment: a message to the rank, header first.</summary>
    public long Slot(Rank rank, int message) => DataStart + ((((long)rank.Value * Slots) + (uint)message % Slots) * SlotBytes);

    private int Word(int kind, Rank rank) => Apart + (((kind * World.Value) + rank.Value) * Apart);
}
