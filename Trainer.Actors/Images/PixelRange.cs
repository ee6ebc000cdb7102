using System.Globalization;

namespace CnnCluster.Trainer.Images;

/// <summary>How numbers become pixels: which is black, which is white, and whether the sign counts.</summary>
/// <param name="Black">The number that becomes 0; null for the least there is.</param>
/// <param name="White">The number that becomes 255; null for the greatest there is. Below black: a negative.</param>
/// <param name="Magnitude">Whether numbers count without their sign.</param>
public sealed record PixelRange(double? Black, double? White, bool Magnitude = false)
{
    private const string Forms = "clip, abs, stretch, or BLACK..WHITE such as -1..1";

    /// <summary>Reads <c>clip</c> (0 to 1), <c>abs</c> (0 to 1, without signs), <c>stretch</c> (the least to the greatest) or <c>BLACK..WHITE</c>.</summary>
    /// <exception cref="UserException">The text is none of these.</exception>
    public static PixelRange Parse(string text) => text switch
    {
        "clip" => new PixelRange(0, 1),
        "abs" => new PixelRange(0, 1, Magnitude: true),
        "stretch" => new PixelRange(null, null),
        _ => Bounds(text) ?? throw new UserException($"--range takes {Forms}; '{text}' is none of them."),
    };

    /// <summary>
    /// A byte for each number: the nearest to 255·(v − black)/(white − black), halves up, cut off at 0 and 255. Where
    /// black and white are the same, everything is black.
    /// </summary>
    /// <param name="values">Finite numbers, at least one.</param>
    /// <returns>The bytes, and how many of them were cut off.</returns>
    public (byte[] Pixels, long CutOff) Apply(ReadOnlySpan<float> values)
    {
        var black = Black ?? Extreme(values, Math.Min);
        var white = White ?? Extreme(values, Math.Max);
        var pixels = new byte[values.Length];
        var cutOff = 0L;
        for (var i = 0; i < values.Length; i++)
        {
            var level = white == black ? 0 : Math.Floor((255 * (Seen(values[i]) - black) / (white - black)) + 0.5);
            pixels[i] = (byte)Math.Clamp(level, 0, 255);
            cutOff += level is < 0 or > 255 ? 1 : 0;
        }

        return (pixels, cutOff);
    }

    private double Seen(float value) => Magnitude ? Math.Abs(value) : value;

    private double Extreme(ReadOnlySpan<float> values, Func<double, double, double> choose)
    {
        var extreme = Seen(values[0]);
        foreach (var value in values)
        {
            extreme = choose(extreme, Seen(value));
        }

        return extreme;
    }

    private static PixelRange? Bounds(string text)
    {
        var parts = text.Split("..");
        return parts.Length == 2 && Finite(parts[0]) is { } black && Finite(parts[1]) is { } white && black != white
            ? new PixelRange(black, white)
            : null;
    }

    private static double? Finite(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? number : null;
}
