using System.Runtime.CompilerServices;
using CnnCluster.Kernels.Layers.Lanes;

namespace CnnCluster.Kernels.Layers.Winograd;

/// <summary>The left side of a product, whose numbers are spread over a register each: element (i, d) lies at i·row + d·depth.</summary>
internal readonly unsafe ref struct SpreadSide(float* first, nint row, nint depth)
{
    public readonly float* First = first;
    public readonly nint Row = row;
    public readonly nint Depth = depth;

    public SpreadSide FromRow(int i) => new(First + (i * Row), Row, Depth);
}

/// <summary>
/// A matrix product, a tile at once: r[i][j] = Σ_d a[i][d]·b[d][j] for up to six rows i and four times 16 columns j. An
/// element's sum runs over d in order, whatever tile it is in.
/// </summary>
internal static unsafe class ProductTile
{
    /// <param name="rows">Up to 6.</param>
    /// <param name="columns">Vectors of 16, up to 4.</param>
    /// <param name="a">The left side, from the tile's first row on.</param>
    /// <param name="depth">How many products an element sums.</param>
    /// <param name="b">The right side, from the tile's first column on.</param>
    /// <param name="bPitch">Floats from its row to the next.</param>
    /// <param name="result">Written.</param>
    /// <param name="resultPitch">Floats from its row to the next.</param>
    /// <param name="adds">Whether the sums are added to the result.</param>
    public static void Run<T>(
        int rows, int columns, in SpreadSide a, int depth, float* b, nint bPitch, float* result, nint resultPitch, bool adds)
        where T : unmanaged, ILanes<T>
    {
        switch (columns)
        {
            case 1:
                Run<T, One>(rows, a, depth, b, bPitch, result, resultPitch, adds);
                break;
            case 2:
                Run<T, Two>(rows, a, depth, b, bPitch, result, resultPitch, adds);
                break;
            case 3:
                Run<T, Three>(rows, a, depth, b, bPitch, result, resultPitch, adds);
                break;
            case 4:
                Run<T, Four>(rows, a, depth, b, bPitch, result, resultPitch, adds);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(columns), columns, "No such tile.");
        }
    }

    private static void Run<T, TColumns>(
        int rows, in SpreadSide a, int depth, float* b, nint bPitch, float* result, nint resultPitch, bool adds)
        where T : unmanaged, ILanes<T>
        where TColumns : ITileSide
    {
        var atOnce = Tile.RowsAtOnce<T>(rows);

        // The columns of a narrower register are as many parts of each 16.
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            for (var row = 0; row < rows; row += atOnce)
            {
                Part<T, TColumns>(
                    Math.Min(atOnce, rows - row), a.FromRow(row), depth, b + lane, bPitch, result + lane + (row * resultPitch), resultPitch, adds);
            }
        }
    }

    private static void Part<T, TColumns>(
        int rows, in SpreadSide a, int depth, float* b, nint bPitch, float* result, nint resultPitch, bool adds)
        where T : unmanaged, ILanes<T>
        where TColumns : ITileSide
    {
        switch (rows)
        {
            case 1:
                FewRows<T, One, TColumns>(a, depth, b, bPitch, result, resultPitch, adds);
                break;
            case 2:
                FewRows<T, Two, TColumns>(a, depth, b, bPitch, result, resultPitch, adds);
                break;
            case 3:
                FewRows<T, Three, TColumns>(a, depth, b, bPitch, result, resultPitch, adds);
                break;
            case 4:
                ManyRows<T, Four, TColumns>(a, depth, b, bPitch, result, resultPitch, adds);
                break;
            case 5:
                ManyRows<T, Five, TColumns>(a, depth, b, bPitch, result, resultPitch, adds);
                break;
            case 6:
                ManyRows<T, Six, TColumns>(a, depth, b, bPitch, result, resultPitch, adds);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(rows), rows, "No such tile.");
        }
    }

    /// <summary>Up to three rows: they stay in registers, and the columns take turns in one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FewRows<T, TRows, TColumns>(
        in SpreadSide a, int depth, float* b, nint bPitch, float* result, nint resultPitch, bool adds)
        where T : unmanaged, ILanes<T>
        where TRows : ITileSide
        where TColumns : ITileSide
    {
        T a0 = T.Zero, a1 = T.Zero, a2 = T.Zero, a3 = T.Zero;
        T b0 = T.Zero, b1 = T.Zero, b2 = T.Zero, b3 = T.Zero;
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero;
        float* r0 = a.First, r1 = r0 + a.Row, r2 = r1 + a.Row;
        var step = a.Depth;
        nint at = 0;
        for (var d = 0; d < depth; d++)
        {
            T s0 = T.Create(r0[at]), s1 = TRows.Count > 1 ? T.Create(r1[at]) : T.Zero, s2 = TRows.Count > 2 ? T.Create(r2[at]) : T.Zero;
            var x = T.Load(b);
            T.MultiplyAdd(s0, x, ref a0);
            if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b0);
            if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c0);
            if (TColumns.Count > 1)
            {
                x = T.Load(b + (1 * LaneLayout.Samples));
                T.MultiplyAdd(s0, x, ref a1);
                if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b1);
                if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c1);
            }

            if (TColumns.Count > 2)
            {
                x = T.Load(b + (2 * LaneLayout.Samples));
                T.MultiplyAdd(s0, x, ref a2);
                if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b2);
                if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c2);
            }

            if (TColumns.Count > 3)
            {
                x = T.Load(b + (3 * LaneLayout.Samples));
                T.MultiplyAdd(s0, x, ref a3);
                if (TRows.Count > 1) T.MultiplyAdd(s1, x, ref b3);
                if (TRows.Count > 2) T.MultiplyAdd(s2, x, ref c3);
            }

            at += step;
            b += bPitch;
        }

        Put<T, TColumns>(a0, a1, a2, a3, result + (0 * resultPitch), adds);
        if (TRows.Count > 1) Put<T, TColumns>(b0, b1, b2, b3, result + (1 * resultPitch), adds);
        if (TRows.Count > 2) Put<T, TColumns>(c0, c1, c2, c3, result + (2 * resultPitch), adds);
    }

    /// <summary>Four rows or more: the columns stay in registers, and the rows take turns in one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ManyRows<T, TRows, TColumns>(
        in SpreadSide a, int depth, float* b, nint bPitch, float* result, nint resultPitch, bool adds)
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
        float* s0 = a.First, s1 = s0 + a.Row, s2 = s1 + a.Row, s3 = s2 + a.Row, s4 = s3 + a.Row, s5 = s4 + a.Row;
        var step = a.Depth;
        nint at = 0;
        for (var d = 0; d < depth; d++)
        {
            var x0 = T.Load(b);
            var x1 = TColumns.Count > 1 ? T.Load(b + (1 * LaneLayout.Samples)) : T.Zero;
            var x2 = TColumns.Count > 2 ? T.Load(b + (2 * LaneLayout.Samples)) : T.Zero;
            var x3 = TColumns.Count > 3 ? T.Load(b + (3 * LaneLayout.Samples)) : T.Zero;
            var s = T.Create(s0[at]);
            T.MultiplyAdd(s, x0, ref a0);
            if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref a1);
            if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref a2);
            if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref a3);
            s = T.Create(s1[at]);
            T.MultiplyAdd(s, x0, ref b0);
            if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref b1);
            if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref b2);
            if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref b3);

            s = T.Create(s2[at]);
            T.MultiplyAdd(s, x0, ref c0);
            if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref c1);
            if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref c2);
            if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref c3);

            s = T.Create(s3[at]);
            T.MultiplyAdd(s, x0, ref d0);
            if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref d1);
            if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref d2);
            if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref d3);

            if (TRows.Count > 4)
            {
                s = T.Create(s4[at]);
                T.MultiplyAdd(s, x0, ref e0);
                if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref e1);
                if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref e2);
                if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref e3);
            }

            if (TRows.Count > 5)
            {
                s = T.Create(s5[at]);
                T.MultiplyAdd(s, x0, ref f0);
                if (TColumns.Count > 1) T.MultiplyAdd(s, x1, ref f1);
                if (TColumns.Count > 2) T.MultiplyAdd(s, x2, ref f2);
                if (TColumns.Count > 3) T.MultiplyAdd(s, x3, ref f3);
            }

            at += step;
            b += bPitch;
        }

        Put<T, TColumns>(a0, a1, a2, a3, result + (0 * resultPitch), adds);
        Put<T, TColumns>(b0, b1, b2, b3, result + (1 * resultPitch), adds);
        Put<T, TColumns>(c0, c1, c2, c3, result + (2 * resultPitch), adds);
        Put<T, TColumns>(d0, d1, d2, d3, result + (3 * resultPitch), adds);
        if (TRows.Count > 4) Put<T, TColumns>(e0, e1, e2, e3, result + (4 * resultPitch), adds);
        if (TRows.Count > 5) Put<T, TColumns>(f0, f1, f2, f3, result + (5 * resultPitch), adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<T, TColumns>(T v0, T v1, T v2, T v3, float* to, bool adds)
        where T : unmanaged, ILanes<T>
        where TColumns : ITileSide
    {
        const int next = LaneLayout.Samples;
        if (adds)
        {
            v0 = T.Add(v0, T.Load(to));
            if (TColumns.Count > 1) v1 = T.Add(v1, T.Load(to + next));
            if (TColumns.Count > 2) v2 = T.Add(v2, T.Load(to + (2 * next)));
            if (TColumns.Count > 3) v3 = T.Add(v3, T.Load(to + (3 * next)));
        }

        T.Store(v0, to);
        if (TColumns.Count > 1) T.Store(v1, to + next);
        if (TColumns.Count > 2) T.Store(v2, to + (2 * next));
        if (TColumns.Count > 3) T.Store(v3, to + (3 * next));
    }
}
