using CnnCluster.Kernels;

namespace CnnCluster.Trainer.Data.Digits;

/// <summary>
/// The generated data set of pairs: two images of digits as <see cref="DigitSet"/> draws them, and three targets: whether
/// the digits are the same (class 1) or not, their sum (a class from 0 to 18), and a ninth of their distance (a number
/// from 0 to 1). Pair i of a part is a pure function of (seed, part, i).
/// </summary>
public static class DigitPairs
{
    private const string Name = "digit-pairs";

    /// <summary>Makes a set of two independent parts; of every ten pairs in a row, five are of the same digit.</summary>
    public static DataSet Generate(int train, int test, ulong seed) =>
        new(GeneratePart("train", train, seed), GeneratePart("test", test, seed));

    private static SampleSet GeneratePart(string part, int count, ulong seed)
    {
        var left = DigitSet.Shuffled(DigitSet.Key(Name, part, "digits", seed), count);
        var lots = DigitSet.Shuffled(DigitSet.Key(Name, part, "same", seed), count);
        var other = DigitSet.Key(Name, part, "other", seed);
        var right = new byte[count];
        for (var i = 0; i < count; i++)
        {
            right[i] = lots[i] % 2 == 0 ? left[i] : Another(left[i], new Draws(other, (ulong)i));
        }

        var pairs = left.Zip(right).ToList();
        return new SampleSet(
            count,
            [DigitSet.Draw(left, Name, part + "/left", seed), DigitSet.Draw(right, Name, part + "/right", seed)],
            [
                new TargetValues.Classes([.. pairs.Select(static pair => pair.First == pair.Second ? 1L : 0L)]),
                new TargetValues.Classes([.. pairs.Select(static pair => (long)(pair.First + pair.Second))]),
                new TargetValues.Numbers(1, [.. pairs.Select(static pair => Math.Abs(pair.First - pair.Second) / (DigitSet.Classes - 1f))]),
            ]);
    }

    /// <summary>Any digit but this one, each equally likely.</summary>
    private static byte Another(byte digit, Draws draws) =>
        (byte)((digit + 1 + draws.Below(DigitSet.Classes - 1)) % DigitSet.Classes);
}
