using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>ReLU, pooling and their gradients, 16 lanes at a time, with the ties of libtorch, and its NaNs; which pixel the gradient of a NaN goes to is left open.</summary>
internal static unsafe class Pointwise
{
    /// <summary>No pixel of the window gets the gradient: the greatest is not above 0.</summary>
    private const float Nobody = 4;

    /// <summary>max(0, x); a NaN stays one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Relu<T>(T value)
        where T : unmanaged, ILanes<T> => T.SelectLessOrEqual(value, T.Zero, T.Zero, value);

    /// <summary>The gradient where ReLU passes it: where its result is above 0, or a NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T ReluGradient<T>(T result, T gradient)
        where T : unmanaged, ILanes<T> => T.SelectLessOrEqual(result, T.Zero, T.Zero, gradient);

    /// <summary>The greatest of a window's four pixels, or a NaN, and which it was: the first of several.</summary>
    /// <param name="v0">The pixels, row by row.</param>
    /// <param name="v1">The second.</param>
    /// <param name="v2">The third.</param>
    /// <param name="v3">The fourth.</param>
    /// <param name="relu">Whether what is not above 0 becomes 0.</param>
    /// <param name="output">Written.</param>
    /// <param name="winner">Written: 0 to 3, or 4 where ReLU cut.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pool<T>(T v0, T v1, T v2, T v3, bool relu, float* output, float* winner)
        where T : unmanaged, ILanes<T>
    {
        var best = T.Max(v3, T.Max(v2, T.Max(v1, v0)));
        var place = T.SelectEqual(v2, best, T.Create(2), T.Create(3));
        place = T.SelectEqual(v1, best, T.Create(1), place);
        place = T.SelectEqual(v0, best, T.Zero, place);
        best = T.SelectUnordered(v0, v1, T.Create(float.NaN), best);
        best = T.SelectUnordered(v2, v3, T.Create(float.NaN), best);
        if (relu)
        {
            place = T.SelectLessOrEqual(best, T.Zero, T.Create(Nobody), place);
            best = Relu(best);
        }

        T.Store(best, output);
        T.Store(place, winner);
    }

    /// <summary>The gradient of <see cref="Pool"/> for all windows of a channel: the winner gets all of it, the others 0.</summary>
    /// <param name="gradient">The outputs', [16] each.</param>
    /// <param name="winners">[16] each.</param>
    /// <param name="windows">How many.</param>
    /// <param name="spread">The channel's gradients.</param>
    /// <param name="places">Where in them each window's four pixels lie.</param>
    /// <param name="sum">[16], to which what any pixel got is added.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpool<T>(float* gradient, float* winners, int windows, float* spread, int* places, float* sum)
        where T : unmanaged, ILanes<T>
    {
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            var total = T.Load(sum + lane);
            var to = spread + lane;
            for (nint i = 0; i < windows; i++)
            {
                var (value, winner) = (T.Load(gradient + (i * LaneLayout.Samples) + lane), T.Load(winners + (i * LaneLayout.Samples) + lane));
                var at = places + (i * 4);
                T.Store(T.SelectEqual(winner, T.Zero, value, T.Zero), to + at[0]);
                T.Store(T.SelectEqual(winner, T.Create(1), value, T.Zero), to + at[1]);
                T.Store(T.SelectEqual(winner, T.Create(2), value, T.Zero), to + at[2]);
                T.Store(T.SelectEqual(winner, T.Create(3), value, T.Zero), to + at[3]);
                total = T.Add(total, T.SelectEqual(winner, T.Create(Nobody), T.Zero, value));
            }

            T.Store(total, sum + lane);
        }
    }

    /// <summary>The gradients of a channel's outputs, taken back through ReLU if it followed, where their convolution reads them.</summary>
    /// <param name="gradient">The outputs', [16] each.</param>
    /// <param name="relu">Whether ReLU followed.</param>
    /// <param name="values">The outputs.</param>
    /// <param name="valuePlaces">Where in them each lies.</param>
    /// <param name="count">How many.</param>
    /// <param name="spread">The channel's gradients.</param>
    /// <param name="places">Where in them each goes.</param>
    /// <param name="sum">[16], to which all are added.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Spread<T>(float* gradient, bool relu, float* values, int* valuePlaces, int count, float* spread, int* places, float* sum)
        where T : unmanaged, ILanes<T>
    {
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            var total = T.Load(sum + lane);
            for (nint i = 0; i < count; i++)
            {
                var g = T.Load(gradient + (i * LaneLayout.Samples) + lane);
                if (relu) g = ReluGradient(T.Load(values + valuePlaces[i] + lane), g);
                T.Store(g, spread + places[i] + lane);
                total = T.Add(total, g);
            }

            T.Store(total, sum + lane);
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
