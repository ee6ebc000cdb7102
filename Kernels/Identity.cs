namespace CnnCluster.Kernels;

/// <summary>A worker's place in its generation, from 0.</summary>
public readonly record struct Rank(int Value)
{
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>How many workers a generation has; at least 1.</summary>
public readonly record struct WorldSize
{
    public WorldSize(int value)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
        Value = value;
    }

    public int Value { get; }
    public IEnumerable<Rank> Ranks => Enumerable.Range(0, Value).Select(static r => new Rank(r));
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
