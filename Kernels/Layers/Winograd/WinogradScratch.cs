using CnnCluster.Kernels.Layers.Lanes;

namespace CnnCluster.Kernels.Layers.Winograd;

/// <summary>Memory that the layers of a network work in, one after another; kept from step to step.</summary>
public sealed class WinogradScratch : IDisposable
{
    private LaneMemory kernel = new(0);
    private LaneMemory tiles = new(0);

    public WinogradScratch()
        : this(null)
    {
    }

    /// <param name="width">Of the registers; the widest that the machine has unless given.</param>
    internal WinogradScratch(RegisterWidth? width) => Width = width ?? RegisterWidths.Widest;

    internal RegisterWidth Width { get; }

    /// <summary>For a transformed kernel, or its gradient.</summary>
    internal unsafe float* Kernel(WinogradShape shape) =>
        (kernel = LaneMemory.AtLeast(kernel, (long)WinogradShape.Products * shape.Channels * shape.Filters)).Pointer;

    /// <summary>For transformed tiles, on both sides of a product.</summary>
    internal unsafe float* Tiles(long floats) => (tiles = LaneMemory.AtLeast(tiles, floats)).Pointer;

    public void Dispose()
    {
        kernel.Dispose();
        tiles.Dispose();
    }
}
