namespace CnnCluster.Kernels;

public enum SettingKind
{
    /// <summary>Any real number in the range.</summary>
    Real,

    /// <summary>A whole number in the range.</summary>
    Whole,

    /// <summary>yes or no; 1 or 0 as a value.</summary>
    Flag,

    /// <summary>A list of whole numbers in the range, each greater than the one before; at least one.</summary>
    Ascending,
}

/// <summary>One setting of an optimizer, a schedule, an augmentation or a data set, as scripts name it.</summary>
/// <param name="Name">The word scripts use, such as <c>momentum</c>.</param>
/// <param name="Kind">What values it takes.</param>
/// <param name="Default">The value when none is given; null if one must be given.</param>
/// <param name="Minimum">The least value allowed, inclusive.</param>
/// <param name="Maximum">The greatest value allowed, unless <see cref="StaysBelow"/> it.</param>
/// <param name="Doc">One sentence for <c>cnn help</c> and the reference.</param>
public sealed record Setting(string Name, SettingKind Kind, double? Default, double Minimum, double Maximum, string Doc)
{
    /// <summary>Whether the greatest value is not allowed itself, but all below it.</summary>
    public bool StaysBelow { get; private init; }

    /// <summary>Whether the value is in the range; that it is whole, where it must be, is another question.</summary>
    public bool Allows(double value) => value >= Minimum && (StaysBelow ? value < Maximum : value <= Maximum);

    /// <summary>How much of a mean is kept of it with every step: from 0 to less than 1, with which it would never begin.</summary>
    public static Setting Kept(string name, double defaultValue, string doc) =>
        Real(name, defaultValue, 0, 1, doc) with { StaysBelow = true };

    /// <summary>What keeps a rule from dividing by zero, also where all that it has seen of a gradient is zero: not zero itself, nor what rounds to it.</summary>
    public static Setting Epsilon(string doc) => Real("epsilon", 1e-7, 1e-30, double.MaxValue, doc);

    public static Setting Real(string name, double? defaultValue, double minimum, double maximum, string doc) =>
        new(name, SettingKind.Real, defaultValue, minimum, maximum, doc);

    public static Setting Whole(string name, double? defaultValue, double minimum, double maximum, string doc) =>
        new(name, SettingKind.Whole, defaultValue, minimum, maximum, doc);

    public static Setting Ascending(string name, double minimum, double maximum, string doc) =>
        new(name, SettingKind.Ascending, null, minimum, maximum, doc);

    public static Setting Flag(string name, string doc) => new(name, SettingKind.Flag, 0, 0, 1, doc);
}

/// <summary>The checked values of an entry's settings, by name; every setting of the entry has one.</summary>
/// <param name="values">Those that are one number.</param>
/// <param name="lists">Those that are lists of numbers; none where it is left out.</param>
public sealed class SettingValues(
    IReadOnlyDictionary<string, double> values, IReadOnlyDictionary<string, IReadOnlyList<double>>? lists = null)
{
    public IReadOnlyDictionary<string, double> Values { get; } = values;
    public double this[string name] => Values[name];
    public IReadOnlyList<double> List(string name) => lists is null ? throw new KeyNotFoundException(name) : lists[name];
    public bool IsSet(string flag) => Values[flag] != 0;
}
