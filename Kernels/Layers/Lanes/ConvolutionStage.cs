using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>
/// Convolution with bias, and what may follow it at once: ReLU, max-pooling of 2×2. The sums stay in registers until the
/// pooled result is written; backward, a window's gradient is spread out again just before it is used.
/// </summary>
[SkipLocalsInit]
internal sealed unsafe class ConvolutionStage<T> : SliceStage
    where T : unmanaged, ILanes<T>
{
    // Tiles of positions for which a row of filters keeps its weights in the first-level cache.
    private const int Run = 16;
    private readonly LaneWeight kernel;
    private readonly LaneWeight? bias;
    private readonly StageEnding ending;
    private readonly LaneLayout input;
    private readonly LaneLayout output;
    private readonly LaneLayout spread;
    private readonly ConvolutionTables tables;
    private readonly OffsetTable outputs;
    private readonly OffsetTable places;
    private readonly int filters;
    private readonly Correlation sums;
    private readonly Correlation inputGradient;
    private readonly LaneMemory spreadGradient;
    private readonly LaneMemory kernelSums;
    private readonly LaneMemory biasSums;

    /// <param name="geometry">The window.</param>
    /// <param name="kernel">(O, C, K, K).</param>
    /// <param name="bias">(O), or null.</param>
    /// <param name="ending">What follows.</param>
    /// <param name="input">Its layout.</param>
    /// <param name="output">Its layout, pooled if the ending pools.</param>
    public ConvolutionStage(
        ConvolutionGeometry geometry, LaneWeight kernel, LaneWeight? bias, StageEnding ending, LaneLayout input, LaneLayout output)
    {
        (this.kernel, this.bias, this.ending, this.input, this.output) = (kernel, bias, ending, input, output);
        filters = output.Channels;
        var sides = geometry.OutputOf(new Axes(input.Height, input.Width));
        spread = ConvolutionTables.SpreadLayout(geometry, input, sides, filters);
        var pixels = ending.Pools() ? ConvolutionTables.Windows(sides.Height, sides.Width) : ConvolutionTables.Rows(sides.Height, sides.Width);
        tables = new ConvolutionTables(geometry, input, spread, filters, [.. pixels]);
        List<int> each = [.. ConvolutionTables.Rows(output.Height, output.Width).Select(at => output.OffsetOf(at.Height, at.Width))];
        outputs = new OffsetTable(each);
        places = new OffsetTable([.. ending.Pools() ? each : PositionTiles.Filled(each)]);
        sums = new Correlation(tables.Forward, filters, TapCount);
        inputGradient = new Correlation(tables.Backward, input.Channels, filters * geometry.Kernel.Height * geometry.Kernel.Width);
        spreadGradient = new LaneMemory(spread.BlockSize);
        kernelSums = new LaneMemory((long)filters * SumPitch);
        biasSums = new LaneMemory((long)filters * LaneLayout.Samples);
    }

    public override int KeptSize => ending.Pools() ? output.Features * LaneLayout.Samples : 0;

    private int TapCount => tables.Taps.Count;

    private int SumPitch => TapCount * LaneLayout.Samples;

    public override void Forward(in StagePass pass)
    {
        BeginForward();
        for (var block = 0; block < pass.Blocks; block++)
        {
            ForwardBlock(pass, block);
        }
    }

    public override void Backward(in StagePass pass)
    {
        BeginBackward(pass);
        for (var block = 0; block < pass.Blocks; block++)
        {
            BackwardBlock(pass, block, pass.OutputGradient + ((long)block * output.Features * LaneLayout.Samples));
        }

        EndBackward(pass);
    }

    /// <summary>Comes before the blocks of a forward pass.</summary>
    public void BeginForward() =>
        sums.Pack(kernel.Pointer, TapCount, stretches: 1, stretchPitch: 0);

    public void ForwardBlock(in StagePass pass, int block)
    {
        if (ending.Pools()) ForwardBlock<Pooled>(pass, block);
        else ForwardBlock<Placed>(pass, block);
    }

    /// <summary>Comes before the blocks of a backward pass.</summary>
    public void BeginBackward(in StagePass pass)
    {
        kernelSums.Clear(kernelSums.Length);
        biasSums.Clear(biasSums.Length);
        // The rows are input channels, the taps run over all filters.
        if (pass.InputGradient is not null) inputGradient.Pack(kernel.Pointer, TapCount / input.Channels, filters, TapCount);
    }

    /// <param name="pass">The pass.</param>
    /// <param name="block">Its block.</param>
    /// <param name="gradient">The block's output's.</param>
    public void BackwardBlock(in StagePass pass, int block, float* gradient)
    {
        Spread(gradient, pass.Output + ((long)block * output.BlockSize), pass.Kept + ((long)block * KeptSize));
        if (kernel.Gradient is not null) AddKernelSums(pass.Input + ((long)block * input.BlockSize));
        if (pass.InputGradient is not null)
        {
            InputGradient(pass.InputGradient + ((long)block * input.Features * LaneLayout.Samples));
        }
    }

    /// <summary>Adds the blocks' sums to the weights' gradients.</summary>
    public void EndBackward(in StagePass pass)
    {
        if (kernel.Gradient is not null)
        {
            var to = kernel.GradientOf(pass);
            for (var filter = 0; filter < filters; filter++)
            {
                for (var tap = 0; tap < TapCount; tap++)
                {
                    *to++ += Pointwise.Sum<T>(kernelSums.Pointer + ((long)filter * SumPitch) + (tap * LaneLayout.Samples));
                }
            }
        }

        if (bias?.Gradient is not null)
        {
            var to = bias.GradientOf(pass);
            for (var filter = 0; filter < filters; filter++)
            {
                to[filter] += Pointwise.Sum<T>(biasSums.Pointer + (filter * LaneLayout.Samples));
            }
        }
    }

    public override void Dispose()
    {
        tables.Dispose();
        outputs.Dispose();
        places.Dispose();
        sums.Dispose();
        inputGradient.Dispose();
        spreadGradient.Dispose();
        kernelSums.Dispose();
        biasSums.Dispose();
    }

    private void ForwardBlock<TEnding>(in StagePass pass, int block)
        where TEnding : ITileEnding
    {
        var from = pass.Input + ((long)block * input.BlockSize);
        var target = new TileTarget
        {
            Biases = bias is null ? null : bias.Pointer,
            Relu = ending.Rectifies(),
            Output = pass.Output + ((long)block * output.BlockSize),
            OutputPitch = output.ChannelPitch,
            Places = places.Pointer,
            Winners = pass.Kept + ((long)block * KeptSize),
            WinnersPitch = outputs.Count * LaneLayout.Samples,
        };
        for (var run = 0; run < sums.PositionTiles; run += Run)
        {
            for (var rowTile = 0; rowTile < sums.RowTiles; rowTile++)
            {
                sums.Run<T, TEnding>(from, rowTile, run, Math.Min(sums.PositionTiles, run + Run), target);
            }
        }
    }

    /// <summary>Takes the gradient back through pooling and ReLU, and adds up the bias' gradient.</summary>
    private void Spread(float* gradient, float* values, float* winners)
    {
        var count = outputs.Count;
        for (var filter = 0; filter < filters; filter++)
        {
            var place = (long)filter * count * LaneLayout.Samples;
            var to = spreadGradient.Pointer + ((long)filter * spread.ChannelPitch);
            var sum = biasSums.Pointer + (filter * LaneLayout.Samples);
            if (ending.Pools())
            {
                Pointwise.Unpool<T>(gradient + place, winners + place, count, to, tables.Gradients.Pointer, sum);
            }
            else
            {
                var value = values + ((long)filter * output.ChannelPitch);
                Pointwise.Spread<T>(gradient + place, ending.Rectifies(), value, outputs.Pointer, count, to, tables.Gradients.Pointer, sum);
            }
        }
    }

    private void AddKernelSums(float* from)
    {
        var (rowTiles, tapTiles) = (Tile.Cover(filters, Tile.Rows), Tile.Cover(TapCount, Tile.Columns));
        var at = new Positions(tables.Inputs.Pointer, tables.Gradients.Pointer, tables.Inputs.Count);
        for (var rowTile = 0; rowTile < rowTiles; rowTile++)
        {
            var (filter, endFilter) = (Tile.Begin(rowTile, rowTiles, filters), Tile.Begin(rowTile + 1, rowTiles, filters));
            var z = spreadGradient.Pointer + ((long)filter * spread.ChannelPitch);
            for (var tapTile = 0; tapTile < tapTiles; tapTile++)
            {
                var (tap, endTap) = (Tile.Begin(tapTile, tapTiles, TapCount), Tile.Begin(tapTile + 1, tapTiles, TapCount));
                var to = kernelSums.Pointer + ((long)filter * SumPitch) + (tap * LaneLayout.Samples);
                KernelGradientTile.Run<T>(endFilter - filter, endTap - tap, z, spread.ChannelPitch, at, TapsAt(from, tap, endTap), to, SumPitch);
            }
        }
    }

    private TapQuad TapsAt(float* from, int first, int end)
    {
        var taps = tables.Taps.Pointer;
        return new TapQuad(
            from + taps[first], from + taps[Math.Min(first + 1, end - 1)], from + taps[Math.Min(first + 2, end - 1)], from + taps[Math.Min(first + 3, end - 1)]);
    }

    private void InputGradient(float* to)
    {
        var target = new TileTarget
        {
            Output = to,
            OutputPitch = input.Height * input.Width * LaneLayout.Samples,
            Places = tables.BackwardPlaces.Pointer,
        };
        for (var tile = 0; tile < inputGradient.PositionTiles; tile++)
        {
            for (var rowTile = 0; rowTile < inputGradient.RowTiles; rowTile++)
            {
                inputGradient.Run<T, Placed>(spreadGradient.Pointer, rowTile, tile, tile + 1, target);
            }
        }
    }
}
