namespace CnnCluster.Trainer.Data.Digits;

/// <summary>A place in the unit square a digit is drawn in: x to the right, y downwards.</summary>
internal readonly record struct Dot(double X, double Y);

/// <summary>One movement of the pen through some of a shape's dots.</summary>
/// <param name="Dots">Indices of the dots, in order.</param>
/// <param name="Curved">A smooth curve through the dots, or straight lines between them.</param>
/// <param name="Closed">Whether the pen returns to the first dot.</param>
internal sealed record Stroke(int[] Dots, bool Curved, bool Closed)
{
    public static Stroke Line(params int[] dots) => new(dots, false, false);

    public static Stroke Curve(params int[] dots) => new(dots, true, false);

    public static Stroke Loop(params int[] dots) => new(dots, true, true);
}

/// <summary>
/// One way to write a digit. Strokes share dots by index, so that strokes that meet still do when the dots are moved.
/// </summary>
internal sealed record DigitShape(Dot[] Dots, Stroke[] Strokes);
