using CnnCluster.Kernels;

namespace CnnCluster.Trainer.Data.Digits;

/// <summary>Writes single digits, each a pure function of its random numbers; one writer serves one thread.</summary>
internal sealed class DigitWriter(int side)
{
    private const int PiecesPerCurve = 5;

    // How differently the digits are written: radians, a share, pixels, a share of the height, pixels, pixels, and a
    // share of white. Chosen by the measurements at DigitSet; at 0.22, 0.25, 1.4 and heights from 17 to 22 a linear
    // classifier reaches 0.977 of the test images, too near a convolutional one.
    private const double Turn = 0.25;
    private const double Slant = 0.28;
    private const double Shift = 2.1;
    private const double Jitter = 0.035;
    private const double LeastHeight = 16;
    private const double GreatestHeight = 22.5;
    private const double NoiseDeviation = 0.07;
    private readonly DigitCanvas canvas = new(side);
    private readonly uint[] noise = new uint[side * side];

    /// <summary>Writes a digit into side × side bytes.</summary>
    public void Write(int digit, RandomKey key, RandomKey noiseKey, ulong row, Span<byte> pixels)
    {
        var draws = new Draws(key, row);
        canvas.Clear();
        DrawDigit(digit, draws);
        DrawClutter(draws);
        canvas.Blur((float)draws.Between(0.02, 0.16));
        CounterRandom.Fill(noiseKey, row, noise);
        Develop(draws.Between(0.75, 1), draws.Between(0, NoiseDeviation), pixels);
    }

    private void DrawDigit(int digit, Draws draws)
    {
        var shapes = DigitShapes.ByDigit[digit];
        var shape = shapes[draws.Below(shapes.Length)];
        var placed = Place(shape.Dots, draws);
        var radius = draws.Between(0.7, 1.75);
        foreach (var stroke in shape.Strokes)
        {
            Draw(stroke, placed, radius);
        }
    }

    /// <summary>Moves a shape's dots to where they come to lie on the canvas, each a little off.</summary>
    private Dot[] Place(Dot[] dots, Draws draws)
    {
        var height = draws.Between(LeastHeight, GreatestHeight);
        var width = height * draws.Between(0.72, 1.12);
        var turn = draws.Between(-Turn, Turn);
        var slant = draws.Between(-Slant, Slant);
        var (sin, cos) = Math.SinCos(turn);
        var centreX = ((side - 1) / 2.0) + draws.Between(-Shift, Shift);
        var centreY = ((side - 1) / 2.0) + draws.Between(-Shift, Shift);
        return Array.ConvertAll(dots, dot =>
        {
            var y = height * (dot.Y - 0.5 + draws.Normal(Jitter));
            var x = (width * (dot.X - 0.5 + draws.Normal(Jitter))) - (slant * y);
            return new Dot(centreX + (cos * x) - (sin * y), centreY + (sin * x) + (cos * y));
        });
    }

    private void Draw(Stroke stroke, Dot[] placed, double radius)
    {
        var count = stroke.Dots.Length;
        var pieces = stroke.Closed ? count : count - 1;
        Dot At(int i) => placed[stroke.Dots[stroke.Closed ? (i + count) % count : Math.Clamp(i, 0, count - 1)]];

        for (var i = 0; i < pieces; i++)
        {
            if (stroke.Curved)
            {
                DrawCurve(At(i - 1), At(i), At(i + 1), At(i + 2), radius);
            }
            else
            {
                canvas.Line(At(i), At(i + 1), radius);
            }
        }
    }

    /// <summary>Draws the piece from b to c of a Catmull–Rom spline (Catmull, Rom, 1974) through a, b, c, d.</summary>
    private void DrawCurve(Dot a, Dot b, Dot c, Dot d, double radius)
    {
        static double Along(double a, double b, double c, double d, double t) =>
            b + (0.5 * t * (c - a + (t * ((2 * a) - (5 * b) + (4 * c) - d + (t * ((3 * (b - c)) + d - a))))));

        var from = b;
        for (var piece = 1; piece <= PiecesPerCurve; piece++)
        {
            var t = (double)piece / PiecesPerCurve;
            var to = new Dot(Along(a.X, b.X, c.X, d.X, t), Along(a.Y, b.Y, c.Y, d.Y, t));
            canvas.Line(from, to, radius);
            from = to;
        }
    }

    /// <summary>Stray short lines and specks, as a scan has.</summary>
    private void DrawClutter(Draws draws)
    {
        var marks = draws.Below(4);
        for (var i = 0; i < marks; i++)
        {
            var from = new Dot(draws.Between(0, side - 1), draws.Between(0, side - 1));
            var to = new Dot(from.X + draws.Between(-3.5, 3.5), from.Y + draws.Between(-3.5, 3.5));
            canvas.Line(from, to, draws.Between(0.2, 0.7), draws.Between(0.3, 0.9));
        }
    }

    /// <summary>Turns ink into bytes, with the sum of four random bytes a pixel as nearly normal noise.</summary>
    private void Develop(double contrast, double deviation, Span<byte> pixels)
    {
        // A byte's variance is (256² − 1) / 12, its mean 127.5.
        var scale = deviation / Math.Sqrt(4 * 65535 / 12.0);
        var ink = canvas.Ink;
        for (var i = 0; i < pixels.Length; i++)
        {
            var word = noise[i];
            var sum = (word & 0xff) + ((word >> 8) & 0xff) + ((word >> 16) & 0xff) + (word >> 24);
            var grey = (contrast * ink[i]) + (scale * (sum - 510.0));
            pixels[i] = (byte)Math.Clamp((int)Math.Round(255 * grey), 0, 255);
        }
    }
}
