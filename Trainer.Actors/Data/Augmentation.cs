using CnnCluster.Kernels;

namespace CnnCluster.Trainer.Data;

/// <summary>The sizes of one sample, C×H×W.</summary>
public readonly record struct SampleShape(int Channels, int Height, int Width)
{
    public int Size => Channels * Height * Width;
}

/// <summary>The random numbers of one augmentation of one image of a sample in one epoch.</summary>
/// <param name="Key">Of the run's seed, the augmentation's place in its list and the image's input.</param>
/// <param name="Row">Of the epoch and the sample.</param>
public readonly record struct AugmentationDraws(RandomKey Key, ulong Row)
{
    /// <summary>
    /// The key of the augmentation at a place of a run's list, for one of the network's inputs, both from 0; another
    /// place and another input draw other numbers.
    /// </summary>
    public static RandomKey KeyOf(ulong seed, string name, int place, int input) =>
        RandomKey.Of(seed, RandomPurpose.Augmentation, $"{name}/{place}/{input}");

    /// <summary>Number <paramref name="index"/> of the draws, from low up to but without high.</summary>
    public double Between(double low, double high, int index = 0) =>
        low + ((high - low) * CounterRandom.Uniform(Key, Row, (ulong)index));
}

/// <summary>
/// Writes a changed copy of one sample: C×H×W floats from source to destination, which must not overlap. It is a pure
/// function of the source and the draws.
/// </summary>
public delegate void AugmentationFunction(
    SampleShape shape, AugmentationDraws draws, ReadOnlySpan<float> source, Span<float> destination);

/// <summary>An augmentation with its settings applied.</summary>
public sealed record Augmentation(string Name, AugmentationFunction Apply);

/// <summary>A catalogue entry: an augmentation as scripts name it.</summary>
public sealed record AugmentationDefinition(
    string Name, string Summary, IReadOnlyList<Setting> Settings, Func<SettingValues, Augmentation> Create);
