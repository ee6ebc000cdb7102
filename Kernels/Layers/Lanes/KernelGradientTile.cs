using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>The positions that a sum runs over: offsets into the input and into the output's gradient, in floats.</summary>
internal readonly unsafe ref struct Positions(int* inputs, int* gradients, int count)
{
    public readonly int* Inputs = inputs;
    public readonly int* Gradients = gradients;
    public readonly int Count = count;
}

/// <summary>The four taps of a tile, or fewer: where the input lies under each. Those behind the last are not read.</summary>
internal readonly unsafe ref struct TapQuad(float* t0, float* t1, float* t2, float* t3)
{
    public readonly float* T0 = t0;
    public readonly float* T1 = t1;
    public readonly float* T2 = t2;
    public readonly float* T3 = t3;

    public TapQuad At(int lane) => new(T0 + lane, T1 + lane, T2 + lane, T3 + lane);
}

/// <summary>
/// The gradient of a kernel, a tile at once and lane by lane: r[k][t] += Σₚ z[k][p]·x[p + t] for up to six output channels k
/// and four taps t. The lanes' sum is left for later, when all blocks have been added.
/// </summary>
internal static unsafe class KernelGradientTile
{
    /// <param name="rows">Output channels.</param>
    /// <param name="columns">Taps.</param>
    /// <param name="z">The output's gradient at its first channel; the further ones follow.</param>
    /// <param name="zPitch">Floats from one of them to the next.</param>
    /// <param name="at">P positions.</param>
    /// <param name="taps">The input at the taps.</param>
    /// <param name="sums">The first channel's sums of 16 lanes, a tap each, added to.</param>
    /// <param name="sumPitch">Floats from a channel's sums to the next's.</param>
    public static void Run<T>(
        int rows, int columns, float* z, nint zPitch, Positions at, TapQuad taps, float* sums, nint sumPitch)
        where T : unmanaged, ILanes<T>
    {
        switch (columns)
        {
            case 1:
                Run<T, One>(rows, z, zPitch, at, taps, sums, sumPitch);
                break;
            case 2:
                Run<T, Two>(rows, z, zPitch, at, taps, sums, sumPitch);
                break;
            case 3:
                Run<T, Three>(rows, z, zPitch, at, taps, sums, sumPitch);
                break;
            case 4:
                Run<T, Four>(rows, z, zPitch, at, taps, sums, sumPitch);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(columns), columns, "No such tile.");
        }
    }

    private static void Run<T, TColumns>(int rows, float* z, nint zPitch, Positions at, TapQuad taps, float* sums, nint sumPitch)
        where T : unmanaged, ILanes<T>
        where TColumns : ITileSide
    {
        var atOnce = Tile.RowsAtOnce<T>(rows);
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            for (var row = 0; row < rows; row += atOnce)
            {
                Part<T, TColumns>(
                    Math.Min(atOnce, rows - row), z + lane + (row * zPitch), zPitch, at, taps.At(lane), sums + lane + (row * sumPitch), sumPitch);
            }
        }
    }

    private static void Part<T, TColumns>(int rows, float* z, nint zPitch, Positions at, TapQuad taps, float* sums, nint sumPitch)
        where T : unmanaged, ILanes<T>
        where TColumns : ITileSide
    {
        switch (rows)
        {
            case 1:
                FewRows<T, One, TColumns>(z, zPitch, at, taps, sums, sumPitch);
                break;
            case 2:
                FewRows<T, Two, TColumns>(z, zPitch, at, taps, sums, sumPitch);
                break;
            case 3:
                FewRows<T, Three, TColumns>(z, zPitch, at, taps, sums, sumPitch);
                break;
            case 4:
                ManyRows<T, Four, TColumns>(z, zPitch, at, taps, sums, sumPitch);
                break;
            case 5:
                ManyRows<T, Five, TColumns>(z, zPitch, at, taps, sums, sumPitch);
                break;
            case 6:
                ManyRows<T, Six, TColumns>(z, zPitch, at, taps, sums, sumPitch);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(rows), rows, "No such tile.");
        }
    }

    /// <summary>Up to three rows: their gradients stay in registers, and the taps take turns in one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FewRows<T, TRows, TColumns>(float* z, nint zPitch, Positions at, TapQuad taps, float* sums, nint sumPitch)
        where T : unmanaged, ILanes<T>
        where TRows : ITileSide
        where TColumns : ITileSide
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero;
        float* t0 = taps.T0, t1 = taps.T1, t2 = taps.T2, t3 = taps.T3;
        float* z1 = z + (1 * zPitch), z2 = z + (2 * zPitch);
        int* inputs = at.Inputs, gradients = at.Gradients;
        nint count = at.Count;
        for (nint p = 0; p < count; p++)
        {
            nint offset = inputs[p], place = gradients[p];
            T s0 = T.Load(z + place), s1 = TRows.Count > 1 ? T.Load(z1 + place) : T.Zero, s2 = TRows.Count > 2 ? T.Load(z2 + place) : T.Zero;
            var x = T.Load(t0 + offset);
            T.MultiplyAdd(s0, x, ref a0);
            if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b0);
            if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c0);
            if (TColumns.Count > 1)
            {
                x = T.Load(t1 + offset);
                T.MultiplyAdd(s0, x, ref a1);
                if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b1);
                if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c1);
            }

            if (TColumns.Count > 2)
            {
                x = T.Load(t2 + offset);
                T.MultiplyAdd(s0, x, ref a2);
                if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b2);
                if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c2);
            }

            if (TColumns.Count > 3)
            {
                x = T.Load(t3 + offset);
                T.MultiplyAdd(s0, x, ref a3);
                if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b3);
                if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c3);
            }
        }

        AddRow<T, TColumns>(a0, a1, a2, a3, sums);
        if (TRows.Count > 1) AddRow<T, TColumns>(b0, b1, b2, b3, sums + (1 * sumPitch));
        if (TRows.Count > 2) AddRow<T, TColumns>(c0, c1, c2, c3, sums + (2 * sumPitch));
    }

    /// <summary>Four rows or more: the taps stay in registers, and the gradients take turns in one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ManyRows<T, TRows, TColumns>(float* z, nint zPitch, Positions at, TapQuad taps, float* sums, nint sumPitch)
        where T : unmanaged, ILanes<T>
        where TRows : ITileSide
        where TColumns : ITileSide
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero;
        T d0 = T.Zero, d1 = T.Zero, d2 = T.Zero, d3 = T.Zero;
        T e0 = T.Zero, e1 = T.Zero, e2 = T.Zero, e3 = T.Zero;
        T f0 = T.Zero, f1 = T.Zero, f2 = T.Zero, f3 = T.Zero;
        float* t0 = taps.T0, t1 = taps.T1, t2 = taps.T2, t3 = taps.T3;
        int* inputs = at.Inputs, gradients = at.Gradients;
        nint count = at.Count;
        float* z1 = z + (1 * zPitch), z2 = z + (2 * zPitch), z3 = z + (3 * zPitch), z4 = z + (4 * zPitch), z5 = z + (5 * zPitch);
        for (nint p = 0; p < count; p++)
        {
            nint offset = inputs[p], place = gradients[p];
            var x0 = T.Load(t0 + offset);
            var x1 = TColumns.Count > 1 ? T.Load(t1 + offset) : T.Zero;
            var x2 = TColumns.Count > 2 ? T.Load(t2 + offset) : T.Zero;
            var x3 = TColumns.Count > 3 ? T.Load(t3 + offset) : T.Zero;
            var s = T.Load(z + place);
            T.MultiplyAdd(s, x0, ref a0);
            if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref a1);
            if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref a2);
            if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref a3);
            s = T.Load(z1 + place);
            T.MultiplyAdd(s, x0, ref b0);
            if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref b1);
            if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref b2);
            if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref b3);

            s = T.Load(z2 + place);
            T.MultiplyAdd(s, x0, ref c0);
            if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref c1);
            if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref c2);
            if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref c3);

            s = T.Load(z3 + place);
            T.MultiplyAdd(s, x0, ref d0);
            if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref d1);
            if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref d2);
            if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref d3);

            if (TRows.Count > 4)
            {
                s = T.Load(z4 + place);
                T.MultiplyAdd(s, x0, ref e0);
                if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref e1);
                if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref e2);
                if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref e3);
            }

            if (TRows.Count > 5)
            {
                s = T.Load(z5 + place);
                T.MultiplyAdd(s, x0, ref f0);
                if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref f1);
                if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref f2);
                if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref f3);
            }
        }

        AddRow<T, TColumns>(a0, a1, a2, a3, sums);
        AddRow<T, TColumns>(b0, b1, b2, b3, sums + (1 * sumPitch));
        AddRow<T, TColumns>(c0, c1, c2, c3, sums + (2 * sumPitch));
        AddRow<T, TColumns>(d0, d1, d2, d3, sums + (3 * sumPitch));
        if (TRows.Count > 4) AddRow<T, TColumns>(e0, e1, e2, e3, sums + (4 * sumPitch));
        if (TRows.Count > 5) AddRow<T, TColumns>(f0, f1, f2, f3, sums + (5 * sumPitch));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow<T, TColumns>(T v0, T v1, T v2, T v3, float* sums)
        where T : unmanaged, ILanes<T>
        where TColumns : ITileSide
    {
        const int next = LaneLayout.Samples;
        T.Store(T.Add(v0, T.Load(sums)), sums);
        if (TColumns.Count > 1) T.Store(T.Add(v1, T.Load(sums + next)), sums + next);
        if (TColumns.Count > 2) T.Store(T.Add(v2, T.Load(sums + (2 * next))), sums + (2 * next));
        if (TColumns.Count > 3) T.Store(T.Add(v3, T.Load(sums + (3 * next))), sums + (3 * next));
    }
}
