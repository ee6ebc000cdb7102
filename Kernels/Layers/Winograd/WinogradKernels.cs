using CnnCluster.Kernels.Layers.Lanes;

namespace CnnCluster.Kernels.Layers.Winograd;

/// <summary>
/// A 3×3 convolution with stride 1 by F(2×2, 3×3): its sums, its input's gradient and its kernel's. Channels lie side by
/// side: (N, H, W, C).
/// </summary>
/// <remarks>
/// A result's bits do not depend on the samples beside it, nor on the registers' width. The kernel's gradient sums chunks of
/// tiles, whose size the shape decides, one after another.
/// </remarks>
internal static unsafe class WinogradKernels
{
    /// <summary>Results of convolution.</summary>
    /// <param name="shape">The convolution.</param>
    /// <param name="scratch">Memory to work in, and registers.</param>
    /// <param name="samples">N.</param>
    /// <param name="x">(N, H, W, C).</param>
    /// <param name="kernel">(K, C, 3, 3); of a turned shape, that of the convolution that was turned.</param>
    /// <param name="turned">Whether the shape was turned: the result is the input's gradient.</param>
    /// <param name="bias">(K), or null.</param>
    /// <param name="relu">Whether max(0, x) follows.</param>
    /// <param name="y">(N, H, W, K), written.</param>
    public static void Convolve(
        WinogradShape shape, WinogradScratch scratch, long samples, float* x, float* kernel, bool turned, float* bias, bool relu, float* y)
    {
        switch (scratch.Width)
        {
            case RegisterWidth.Bits512:
                Convolve<Lanes512>(shape, scratch, samples, x, kernel, turned, bias, relu, y);
                break;
            case RegisterWidth.Bits256:
                Convolve<Lanes256>(shape, scratch, samples, x, kernel, turned, bias, relu, y);
                break;
            default:
                Convolve<Lanes128>(shape, scratch, samples, x, kernel, turned, bias, relu, y);
                break;
        }
    }

    /// <summary>The kernel's gradient.</summary>
    /// <param name="shape">The convolution.</param>
    /// <param name="scratch">Memory to work in, and registers.</param>
    /// <param name="samples">N.</param>
    /// <param name="x">(N, H, W, C).</param>
    /// <param name="gradient">The output's, (N, H, W, K).</param>
    /// <param name="kernelGradient">(K, C, 3, 3), written.</param>
    public static void KernelGradient(WinogradShape shape, WinogradScratch scratch, long samples, float* x, float* gradient, float* kernelGradient)
    {
        switch (scratch.Width)
        {
            case RegisterWidth.Bits512:
                KernelGradient<Lanes512>(shape, scratch, samples, x, gradient, kernelGradient);
                break;
            case RegisterWidth.Bits256:
                KernelGradient<Lanes256>(shape, scratch, samples, x, gradient, kernelGradient);
                break;
            default:
                KernelGradient<Lanes128>(shape, scratch, samples, x, gradient, kernelGradient);
                break;
        }
    }

    private static void Convolve<T>(
        WinogradShape shape, WinogradScratch scratch, long samples, float* x, float* kernel, bool turned, float* bias, bool relu, float* y)
        where T : unmanaged, ILanes<T>
    {
        var u = scratch.Kernel(shape);
        KernelTransforms.Kernel<T>(kernel, shape, turned, u);
        var chunk = new TileChunk(shape, scratch);
        for (var first = 0L; first < samples * shape.Tiles; first += chunk.Most)
        {
            var tiles = (int)Math.Min(chunk.Most, (samples * shape.Tiles) - first);
            chunk.TakeInput<T>(x, first, tiles);
            Products<T>(chunk, u, tiles);
            chunk.GiveOutput<T>(y, first, tiles, bias, relu);
        }
    }

    private static void KernelGradient<T>(
        WinogradShape shape, WinogradScratch scratch, long samples, float* x, float* gradient, float* kernelGradient)
        where T : unmanaged, ILanes<T>
    {
        var sums = scratch.Kernel(shape);
        var chunk = new TileChunk(shape, scratch);
        if (samples == 0) new Span<float>(sums, checked(WinogradShape.Products * shape.Channels * shape.Filters)).Clear();
        for (var first = 0L; first < samples * shape.Tiles; first += chunk.Most)
        {
            var tiles = (int)Math.Min(chunk.Most, (samples * shape.Tiles) - first);
            chunk.TakeInput<T>(x, first, tiles);
            chunk.TakeGradient<T>(gradient, first, tiles);
            AddSums<T>(chunk, sums, tiles, adds: first > 0);
        }

        KernelTransforms.KernelGradient<T>(sums, shape, kernelGradient);
    }

    /// <summary>m[ξ][t][k] = Σ_c v[ξ][t][c]·u[ξ][c][k].</summary>
    private static void Products<T>(in TileChunk chunk, float* u, int tiles)
        where T : unmanaged, ILanes<T>
    {
        var shape = chunk.Shape;
        var rowTiles = Tile.Cover(tiles, Tile.Rows);
        for (var product = 0; product < WinogradShape.Products; product++)
        {
            float* v = chunk.Inputs(product), m = chunk.Outputs(product);
            for (var column = 0; column < shape.FilterTiles; column++)
            {
                var (first, end) = (shape.FirstColumn(column), shape.FirstColumn(column + 1));
                var b = u + (((nint)product * shape.Channels * shape.Filters) + ((nint)first * shape.Channels * LaneLayout.Samples));
                for (var rowTile = 0; rowTile < rowTiles; rowTile++)
                {
                    var (row, rowEnd) = (Tile.Begin(rowTile, rowTiles, tiles), Tile.Begin(rowTile + 1, rowTiles, tiles));
                    var a = new SpreadSide(v + ((nint)row * shape.Channels), shape.Channels, 1);
                    var to = m + ((nint)row * shape.Filters) + (first * LaneLayout.Samples);
                    ProductTile.Run<T>(rowEnd - row, end - first, a, shape.Channels, b, (end - first) * LaneLayout.Samples, to, shape.Filters, adds: false);
                }
            }
        }
    }

    /// <summary>s[ξ][c][k] += Σ_t v[ξ][t][c]·m[ξ][t][k].</summary>
    private static void AddSums<T>(in TileChunk chunk, float* sums, int tiles, bool adds)
        where T : unmanaged, ILanes<T>
    {
        var shape = chunk.Shape;
        var rowTiles = Tile.Cover(shape.Channels, Tile.Rows);
        for (var product = 0; product < WinogradShape.Products; product++)
        {
            float* v = chunk.Inputs(product), m = chunk.Outputs(product);
            for (var column = 0; column < shape.FilterTiles; column++)
            {
                var (first, end) = (shape.FirstColumn(column), shape.FirstColumn(column + 1));
                for (var rowTile = 0; rowTile < rowTiles; rowTile++)
                {
                    var (row, rowEnd) = (Tile.Begin(rowTile, rowTiles, shape.Channels), Tile.Begin(rowTile + 1, rowTiles, shape.Channels));
                    var a = new SpreadSide(v + row, 1, shape.Channels);
                    var b = m + (first * LaneLayout.Samples);
                    var to = sums + ((((nint)product * shape.Channels) + row) * shape.Filters) + (first * LaneLayout.Samples);
                    ProductTile.Run<T>(rowEnd - row, end - first, a, tiles, b, shape.Filters, to, shape.Filters, adds);
                }
            }
        }
    }
}
