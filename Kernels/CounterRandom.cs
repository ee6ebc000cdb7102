namespace CnnCluster.Kernels;

/// <summary>What a random number is for. Numbers of different purposes are independent.</summary>
public enum RandomPurpose
{
    InitialWeights = 1,
    Dropout = 2,
    SampleOrder = 3,
    Augmentation = 4,
    GeneratedData = 5,
    Noise = 6,
}

/// <summary>The key of one stream of random numbers.</summary>
public readonly record struct RandomKey(ulong Value)
{
    /// <summary>Derives a stream's key from the run's seed, the purpose and a name, such as a layer's path.</summary>
    public static RandomKey Of(ulong seed, RandomPurpose purpose, string stream = "") => Of(seed, purpose, "", stream);

    /// <summary>The same of the name <paramref name="family"/> + <paramref name="stream"/>, which need not be put together.</summary>
    public static RandomKey Of(ulong seed, RandomPurpose purpose, string family, string stream)
    {
        // FNV-1a over the name's UTF-16 units, then a SplitMix64 finaliser over all three parts.
        var hash = Hash(Hash(0xcbf29ce484222325UL, family), stream);
        return new RandomKey(Mix(Mix(seed + ((ulong)purpose * 0x9e3779b97f4a7c15UL)) ^ hash));
    }

    private static ulong Hash(ulong hash, string units)
    {
        foreach (var unit in units)
        {
            hash = (hash ^ unit) * 0x100000001b3UL;
        }

        return hash;
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebUL;
        return z ^ (z >> 31);
    }
}

/// <summary>
/// Counter-based random numbers: each is a pure function of a key and its place, so it depends on no thread, no
/// world size and no restart. The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
/// numbers: as easy as 1, 2, 3", SC 2011).
/// </summary>
public static class CounterRandom
{
    /// <summary>One Philox block: four words for the 128-bit counter (<paramref name="high"/>, <paramref name="low"/>).</summary>
    public static (uint W0, uint W1, uint W2, uint W3) Block(RandomKey key, ulong high, ulong low)
    {
        var (c0, c1, c2, c3) = ((uint)low, (uint)(low >> 32), (uint)high, (uint)(high >> 32));
        var (k0, k1) = ((uint)key.Value, (uint)(key.Value >> 32));
        for (var round = 0; round < PhiloxConstants.Rounds; round++)
        {
            var p0 = (ulong)PhiloxConstants.Multiplier0 * c0;
            var p1 = (ulong)PhiloxConstants.Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += PhiloxConstants.Weyl0;
            k1 += PhiloxConstants.Weyl1;
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>The row of the numbers that belong to one sample of one step (or epoch).</summary>
    public static ulong Row(long step, long sample) => ((ulong)step << 32) | (uint)sample;

    /// <summary>Fills with the words of a row: element e is word e mod 4 of block (row, e div 4).</summary>
    public static void Fill(RandomKey key, ulong row, Span<uint> destination)
    {
        var filled = PhiloxVectors.Fill(key, row, destination);
        FillFrom(key, row, filled, destination);
    }

    /// <summary>The plain reference of <see cref="Fill"/>, from an element on that starts a block.</summary>
    internal static void FillFrom(RandomKey key, ulong row, int start, Span<uint> destination)
    {
        for (var i = start; i < destination.Length; i += 4)
        {
            var (w0, w1, w2, w3) = Block(key, row, (ulong)i >> 2);
            destination[i] = w0;
            if (i + 1 < destination.Length) destination[i + 1] = w1;
            if (i + 2 < destination.Length) destination[i + 2] = w2;
            if (i + 3 < destination.Length) destination[i + 3] = w3;
        }
    }

    /// <summary>The number in [0, 1) with 53 random bits at one element of a row.</summary>
    public static double Uniform(RandomKey key, ulong row, ulong element)
    {
        var (w0, w1, _, _) = Block(key, row, element);
        return ((((ulong)w0 << 32) | w1) >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>A standard normal number at one element of a row, by the Box–Muller transform.</summary>
    public static double Normal(RandomKey key, ulong row, ulong element)
    {
        var (w0, w1, w2, w3) = Block(key, row, element);
        var radius = Math.Sqrt(-2 * Math.Log(1 - (((((ulong)w0 << 32) | w1) >> 11) * (1.0 / (1UL << 53)))));
        var angle = 2 * Math.PI * (((((ulong)w2 << 32) | w3) >> 11) * (1.0 / (1UL << 53)));
        return radius * Math.Cos(angle);
    }

    /// <summary>A random order of 0 … count−1 (Fisher–Yates), a pure function of key and row.</summary>
    public static int[] Permutation(RandomKey key, ulong row, int count)
    {
        var order = new int[count];
        for (var i = 0; i < count; i++)
        {
            order[i] = i;
        }

        for (var i = count - 1; i > 0; i--)
        {
            var j = (int)(Uniform(key, row, (ulong)i) * (i + 1));
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }
}
