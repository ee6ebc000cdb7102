using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Bias, ReLU and pooling of a few vectors, with the ties and the NaNs of libtorch.</summary>
internal static unsafe class Pointwise
{
    /// <summary>No pixel of the window gets the gradient: the greatest is not above 0.</summary>
    private const float Nobody = 4;

    /// <summary>max(0, x); a NaN stays one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Relu<T>(T value)
        where T : unmanaged, ILanes<T> => T.Select(PassesRelu(value), value, T.Zero);

    /// <summary>A mask of where ReLU's gradient passes: x > 0, and NaNs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T PassesRelu<T>(T value)
        where T : unmanaged, ILanes<T> => T.Or(T.Greater(value, T.Zero), T.IsNaN(value));

    /// <summary>The greatest of a window's four pixels, 16 lanes each, and which it was: the first of several, or a NaN.</summary>
    /// <param name="pixels">[4][16], row by row.</param>
    /// <param name="bias">Added to each first.</param>
    /// <param name="relu">Whether what is not above 0 becomes 0.</param>
    /// <param name="output">[16], written.</param>
    /// <param name="winners">[16], written: 0 to 3, or 4 where ReLU cut.</param>
    public static void Pool<T>(float* pixels, float bias, bool relu, float* output, float* winners)
        where T : unmanaged, ILanes<T>
    {
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            var added = T.Create(bias);
            var best = T.Add(T.Load(pixels + lane), added);
            var winner = T.Zero;
            for (var k = 1; k < 4; k++)
            {
                var value = T.Add(T.Load(pixels + lane + (k * LaneLayout.Samples)), added);
                var wins = T.Or(T.Greater(value, best), T.IsNaN(value));
                best = T.Select(wins, value, best);
                winner = T.Select(wins, T.Create(k), winner);
            }

            if (relu)
            {
                var passes = PassesRelu(best);
                best = T.Select(passes, best, T.Zero);
                winner = T.Select(passes, winner, T.Create(Nobody));
            }

            T.Store(best, output + lane);
            T.Store(winner, winners + lane);
        }
    }

    /// <summary>The gradient of <see cref="Pool"/>: the winner gets all of it, the others 0.</summary>
    /// <param name="gradient">The output's, [16].</param>
    /// <param name="winners">[16].</param>
    /// <param name="spread">The first channel's gradients.</param>
    /// <param name="places">Where in them the window's four pixels lie, [4].</param>
    /// <param name="sum">[16], to which what any pixel got is added.</param>
    public static void Unpool<T>(float* gradient, float* winners, float* spread, int* places, float* sum)
        where T : unmanaged, ILanes<T>
    {
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            var (value, winner) = (T.Load(gradient + lane), T.Load(winners + lane));
            for (var k = 0; k < 4; k++)
            {
                T.Store(T.Select(T.Equal(winner, T.Create(k)), value, T.Zero), spread + places[k] + lane);
            }

            var got = T.Select(T.Equal(winner, T.Create(Nobody)), T.Zero, value);
            T.Store(T.Add(T.Load(sum + lane), got), sum + lane);
        }
    }

    /// <summary>Σ over the lanes.</summary>
    public static float Sum<T>(float* lanes)
        where T : unmanaged, ILanes<T>
    {
        var sum = T.Load(lanes);
        for (var lane = T.Count; lane < LaneLayout.Samples; lane += T.Count)
        {
            sum = T.Add(sum, T.Load(lanes + lane));
        }

        return T.Sum(sum);
    }
}
