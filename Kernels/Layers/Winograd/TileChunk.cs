using System.Runtime.CompilerServices;
using CnnCluster.Kernels.Layers.Lanes;

namespace CnnCluster.Kernels.Layers.Winograd;

/// <summary>Some neighbouring tiles of a batch, transformed: as many as stay in the second-level cache with a small kernel.</summary>
[SkipLocalsInit]
internal readonly unsafe ref struct TileChunk
{
    // Transformed numbers of a chunk on both sides of a product, in multiples of 16 for each tile.
    private const int Budget = 6144;

    // Of large kernels, which do not stay in that cache, each number is used for so many tiles.
    private const int Least = 96;

    private readonly float* inputs;
    private readonly float* outputs;
    private readonly nint inputPitch;
    private readonly nint outputPitch;
    private readonly float* nothing;

    public TileChunk(WinogradShape shape, WinogradScratch scratch)
    {
        Shape = shape;
        Most = Math.Max(Least, Budget / (shape.Channels + shape.Filters));
        // A line more, or the 16 would fall into the same sets of a cache.
        inputPitch = ((nint)Most * shape.Channels) + LaneLayout.Samples;
        outputPitch = ((nint)Most * shape.Filters) + LaneLayout.Samples;
        nothing = scratch.Tiles((WinogradShape.Products * (inputPitch + outputPitch)) + shape.Channels);
        new Span<float>(nothing, shape.Channels).Clear();
        inputs = nothing + shape.Channels;
        outputs = inputs + (WinogradShape.Products * inputPitch);
    }

    public WinogradShape Shape { get; }

    /// <summary>Tiles of a chunk.</summary>
    public int Most { get; }

    public float* Inputs(int product) => inputs + (product * inputPitch);

    public float* Outputs(int product) => outputs + (product * outputPitch);

    public void TakeInput<T>(float* x, long first, int count)
        where T : unmanaged, ILanes<T>
    {
        var pixels = stackalloc float*[16];
        for (var tile = 0; tile < count; tile++)
        {
            var (sample, y, x0) = PlaceOf(first + tile);
            var image = x + (sample * Shape.Input.Height * Shape.Input.Width * Shape.Channels);
            for (var row = 0; row < 4; row++)
            {
                var height = (2 * y) - Shape.Before.Height + row;
                for (var column = 0; column < 4; column++)
                {
                    var width = (2 * x0) - Shape.Before.Width + column;
                    var isInside = height >= 0 && height < Shape.Input.Height && width >= 0 && width < Shape.Input.Width;
                    pixels[(4 * row) + column] = isInside ? image + ((((nint)height * Shape.Input.Width) + width) * Shape.Channels) : nothing;
                }
            }

            PixelTransforms.Input<T>(pixels, Shape.Channels, inputs + ((nint)tile * Shape.Channels), inputPitch);
        }
    }

    public void TakeGradient<T>(float* gradient, long first, int count)
        where T : unmanaged, ILanes<T>
    {
        var pixels = stackalloc float*[4];
        for (var tile = 0; tile < count; tile++)
        {
            OutputPixels(gradient, first + tile, pixels);
            PixelTransforms.Gradient<T>(pixels, Shape.Filters, outputs + ((nint)tile * Shape.Filters), outputPitch);
        }
    }

    public void GiveOutput<T>(float* y, long first, int count, float* bias, bool relu)
        where T : unmanaged, ILanes<T>
    {
        var pixels = stackalloc float*[4];
        for (var tile = 0; tile < count; tile++)
        {
            OutputPixels(y, first + tile, pixels);
            PixelTransforms.Output<T>(outputs + ((nint)tile * Shape.Filters), outputPitch, Shape.Filters, bias, relu, pixels);
        }
    }

    private void OutputPixels(float* y, long tile, float** pixels)
    {
        var (sample, row, column) = PlaceOf(tile);
        var at = y + ((((sample * Shape.Output.Height) + (2 * row)) * Shape.Output.Width) + (2 * column)) * Shape.Filters;
        pixels[0] = at;
        pixels[1] = at + Shape.Filters;
        pixels[2] = at + ((nint)Shape.Output.Width * Shape.Filters);
        pixels[3] = pixels[2] + Shape.Filters;
    }

    private (long Sample, int Row, int Column) PlaceOf(long tile)
    {
        var (sample, place) = Math.DivRem(tile, Shape.Tiles);
        var (row, column) = Math.DivRem((int)place, Shape.Output.Width / 2);
        return (sample, row, column);
    }
}
