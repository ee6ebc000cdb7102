namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>How long a coordinator waits for what; nothing is waited for without a bound.</summary>
public sealed record Patience
{
    /// <summary>Workers that are to begin the run and that it starts itself: to come, to read their data and to build their replicas.</summary>
    public TimeSpan Gathering { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>A generation that forms: its connections, and the copy of its state.</summary>
    public TimeSpan Connecting { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>A worker that is not heard of to answer to a halt; one that is heard of has as long as for a step.</summary>
    public TimeSpan Halting { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Any word of a worker at all, besides ten of its steps: its actor sends some several times a second.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A word of a worker that the control plane takes for gone, besides ten of its steps: its actor sends some several times a second.</summary>
    public TimeSpan Doubt { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// A word of a worker whose connections have broken, to a peer and to the coordinator: what is slow keeps both. It is three of
    /// its heartbeats, which no step holds up, and one with as long as a standstill of the coordinator itself counts
    /// (<see cref="Standstill"/>), behind which that one has not read what came yet.
    /// </summary>
    public TimeSpan Broken { get; init; } = TimeSpan.FromSeconds(0.75);

    /// <summary>
    /// Between two things that happen to the coordinator, as far as that counts for anybody's being late: time comes to it ten times
    /// a second, and where it comes later the coordinator's own process has stood still.
    /// </summary>
    public TimeSpan Standstill { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>A worker that has something to do to come on with it, by a step or a batch of validation, besides fifty of its steps.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>
    /// The same until its first step has been measured: kernels are loaded and chosen in it, and nobody knows yet how long a
    /// step of this network takes there.
    /// </summary>
    public TimeSpan FirstStep { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Members of the last generation to come over to a coordinator that takes the run over, where a majority has.</summary>
    public TimeSpan Assuming { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>And where none has yet.</summary>
    public TimeSpan AssumingMost { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Between two words of the coordinator, which say that it is there.</summary>
    public TimeSpan Beat { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>The last states to be written.</summary>
    public TimeSpan Saving { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Others to come where fewer are there than the run may begin or go on with.</summary>
    public TimeSpan Waiting { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>A command is said again to a worker that has not answered.</summary>
    public TimeSpan Repeat { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A worker's registration is answered again, which it repeats until an answer has come; then behind twice as long each time.</summary>
    public TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest of these.</summary>
    public TimeSpan LongestAnswer { get; init; } = TimeSpan.FromSeconds(8);

    public TimeSpan SilenceOf(double stepSeconds) => Silence + TimeSpan.FromSeconds(10 * stepSeconds);

    public TimeSpan DoubtOf(double stepSeconds) => Doubt + TimeSpan.FromSeconds(10 * stepSeconds);

    /// <summary>Nobody has stalled before.</summary>
    public TimeSpan LeastStall => Stall < FirstStep ? Stall : FirstStep;

    public TimeSpan StallOf(double stepSeconds) => stepSeconds > 0 ? Stall + TimeSpan.FromSeconds(50 * stepSeconds) : FirstStep;
}
