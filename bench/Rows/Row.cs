namespace CnnCluster.Bench.Rows;

/// <summary>How a measurement is made, the same for every side of a row.</summary>
/// <param name="Threads">Intra-op threads of each side.</param>
/// <param name="Seconds">How long a side is counted, once warm.</param>
/// <param name="Samples">The folder of the samples, with a folder for each kind.</param>
/// <param name="OneCore">Whether a side has one core for all it does, for its loader too.</param>
internal sealed record Conditions(int Threads, double Seconds, string Samples, bool OneCore = false)
{
    public string Grey => Path.Combine(Samples, "grey");

    public string Colour => Path.Combine(Samples, "colour");
}

/// <summary>What a row is held against.</summary>
/// <param name="Against">The side whose ratio is meant; null for cnn's own value.</param>
/// <param name="Limit">The least ratio; of a value of its own, the least or the greatest as the row's unit has it.</param>
/// <param name="Kind">must or aim.</param>
internal sealed record Goal(string? Against, double Limit, string Kind);

/// <summary>A measurement of several sides.</summary>
internal sealed record Row
{
    /// <summary>cnn's side; each row has it.</summary>
    public const string Cnn = "cnn";

    public const string TorchSharp = "TorchSharp";

    /// <summary>cnn without exact mode.</summary>
    public const string Inexact = "without exact";

    /// <summary>cnn with one worker.</summary>
    public const string OneWorker = "one worker";

    /// <summary>Two workers at once, each with a batch of half the size, that have nothing to do with each other: what the machine can give two.</summary>
    public const string Apart = "two apart";

    /// <summary>A side that another interpreter measures.</summary>
    public const string PyTorch = "PyTorch";

    /// <summary>How it is picked on the command line.</summary>
    public required string Name { get; init; }

    public required string Title { get; init; }

    public required string Unit { get; init; }

    public bool LessIsBetter { get; init; }

    /// <summary>cnn first; they are measured in this order, in turn.</summary>
    public required IReadOnlyList<string> Sides { get; init; }

    public required IReadOnlyList<Goal> Goals { get; init; }

    /// <summary>A row that takes long has half as many pairs.</summary>
    public bool IsLong { get; init; }

    /// <summary>Measures a side in this process.</summary>
    public required Func<string, Conditions, double> Measure { get; init; }

    /// <summary>The arguments of <c>pytorch_peer.py</c>; null where PyTorch has no side.</summary>
    public Func<Conditions, IEnumerable<string>>? PyTorchArguments { get; init; }
}
