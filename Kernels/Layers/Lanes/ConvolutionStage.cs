using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>
/// Convolution with bias, and what may follow it at once: ReLU, max-pooling of 2×2. The sums stay in registers until the
/// pooled result is written; backward, a window's gradient is spread out again just before it is used.
/// </summary>
[SkipLocalsInit]
internal sealed unsafe class ConvolutionStage<T> : LaneStage
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
    private readonly int filters;
    private readonly int outputPitch;
    private readonly LaneMemory packed;
    private readonly LaneMemory packedBackward;
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
        (filters, outputPitch) = (output.Channels, output.ChannelPitch);
        var sums = geometry.OutputOf(new Axes(input.Height, input.Width));
        spread = ConvolutionTables.SpreadLayout(geometry, input, sums, filters);
        var pixels = ending.Pools() ? ConvolutionTables.Windows(sums.Height, sums.Width) : ConvolutionTables.Rows(sums.Height, sums.Width);
        tables = new ConvolutionTables(geometry, input, spread, filters, [.. pixels]);
        outputs = new OffsetTable([.. ConvolutionTables.Rows(output.Height, output.Width).Select(at => output.OffsetOf(at.Height, at.Width))]);
        packed = new LaneMemory((long)Tile.RoundUp(filters, Tile.Rows) * TapCount);
        packedBackward = new LaneMemory((long)Tile.RoundUp(input.Channels, Tile.Rows) * tables.BackwardTaps.Count);
        spreadGradient = new LaneMemory(spread.BlockSize);
        kernelSums = new LaneMemory((long)spread.Channels * SumPitch);
        biasSums = new LaneMemory((long)filters * LaneLayout.Samples);
    }

    public override int KeptSize => ending.Pools() ? output.Features * LaneLayout.Samples : 0;

    private int TapCount => tables.Taps.Count;

    private int SumPitch => Tile.RoundUp(TapCount, Tile.Columns) * LaneLayout.Samples;

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

        EndBackward();
    }

    /// <summary>Comes before the blocks of a forward pass.</summary>
    public void BeginForward() =>
        PackedWeights.Write(kernel.Pointer, filters, TapCount, stretches: 1, stretchPitch: 0, TapCount, packed.Pointer);

    public void ForwardBlock(in StagePass pass, int block)
    {
        var biases = bias is null ? null : bias.Pointer;
        var from = pass.Input + ((long)block * input.BlockSize);
        var to = pass.Output + ((long)block * output.BlockSize);
        var winners = pass.Kept + ((long)block * KeptSize);
        var count = tables.Inputs.Count;
        for (var run = 0; run < count; run += Run * Tile.Columns)
        {
            var end = Math.Min(count, run + (Run * Tile.Columns));
            for (var filter = 0; filter < filters; filter += Tile.Rows)
            {
                for (var position = run; position < end; position += Tile.Columns)
                {
                    ForwardTile(biases, from, to, winners, filter, position);
                }
            }
        }
    }

    /// <summary>Comes before the blocks of a backward pass.</summary>
    public void BeginBackward(in StagePass pass)
    {
        kernelSums.Clear(kernelSums.Length);
        biasSums.Clear(biasSums.Length);
        if (pass.InputGradient is not null) PackBackward();
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
    public void EndBackward()
    {
        if (kernel.Gradient is not null)
        {
            var to = kernel.GradientPointer;
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
            var to = bias.GradientPointer;
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
        packed.Dispose();
        packedBackward.Dispose();
        spreadGradient.Dispose();
        kernelSums.Dispose();
        biasSums.Dispose();
    }

    /// <summary>The rows are input channels, the taps run over all filters.</summary>
    private void PackBackward()
    {
        var area = TapCount / input.Channels;
        PackedWeights.Write(kernel.Pointer, input.Channels, area, filters, TapCount, area, packedBackward.Pointer);
    }

    private void ForwardTile(float* biases, float* from, float* to, float* winners, int filter, int position)
    {
        var result = stackalloc float[Tile.Size];
        Correlate(packed.Pointer + ((long)filter * TapCount), tables.Taps, from, tables.Inputs, position, result);
        var rows = Math.Min(Tile.Rows, filters - filter);
        for (var row = 0; row < rows; row++)
        {
            var pixels = result + (row * Tile.Columns * LaneLayout.Samples);
            var added = biases is null ? 0 : biases[filter + row];
            var channel = to + ((long)(filter + row) * outputPitch);
            if (ending.Pools())
            {
                var window = position / Tile.Columns;
                var winner = winners + ((((long)(filter + row) * outputs.Count) + window) * LaneLayout.Samples);
                Pointwise.Pool<T>(pixels, added, ending.Rectifies(), channel + outputs.Pointer[window], winner);
            }
            else
            {
                Finish(pixels, added, channel, position);
            }
        }
    }

    private void Finish(float* pixels, float added, float* channel, int position)
    {
        var columns = Math.Min(Tile.Columns, outputs.Count - position);
        for (var column = 0; column < columns; column++)
        {
            var to = channel + outputs.Pointer[position + column];
            for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
            {
                var value = T.Add(T.Load(pixels + (column * LaneLayout.Samples) + lane), T.Create(added));
                T.Store(ending.Rectifies() ? Pointwise.Relu(value) : value, to + lane);
            }
        }
    }

    /// <summary>A tile whose positions behind the last one are the last one again.</summary>
    private static void Correlate(float* weights, OffsetTable taps, float* from, OffsetTable positions, int first, float* result)
    {
        var at = positions.Pointer;
        var last = positions.Count - 1;
        CorrelationTile.Run<T>(
            weights, new Taps(taps.Pointer, taps.Count), from + at[first], from + at[Math.Min(first + 1, last)],
            from + at[Math.Min(first + 2, last)], from + at[Math.Min(first + 3, last)], result);
    }

    /// <summary>Takes the gradient back through pooling and ReLU, and adds up the bias' gradient.</summary>
    private void Spread(float* gradient, float* values, float* winners)
    {
        for (var filter = 0; filter < filters; filter++)
        {
            var to = spreadGradient.Pointer + ((long)filter * spread.ChannelPitch);
            var sum = biasSums.Pointer + (filter * LaneLayout.Samples);
            for (var i = 0; i < outputs.Count; i++)
            {
                var place = (((long)filter * outputs.Count) + i) * LaneLayout.Samples;
                if (ending.Pools())
                {
                    Pointwise.Unpool<T>(gradient + place, winners + place, to, tables.Gradients.Pointer + (i * Tile.Columns), sum);
                }
                else
                {
                    var value = values + ((long)filter * outputPitch) + outputs.Pointer[i];
                    SpreadOne(gradient + place, value, to + tables.Gradients.Pointer[i], sum);
                }
            }
        }
    }

    private void SpreadOne(float* gradient, float* value, float* to, float* sum)
    {
        for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
        {
            var g = T.Load(gradient + lane);
            if (ending.Rectifies()) g = T.Select(Pointwise.PassesRelu(T.Load(value + lane)), g, T.Zero);
            T.Store(g, to + lane);
            T.Store(T.Add(T.Load(sum + lane), g), sum + lane);
        }
    }

    private void AddKernelSums(float* from)
    {
        var taps = tables.Taps;
        var at = new Positions(tables.Inputs.Pointer, tables.Gradients.Pointer, tables.Inputs.Count);
        for (var filter = 0; filter < filters; filter += Tile.Rows)
        {
            var z = spreadGradient.Pointer + ((long)filter * spread.ChannelPitch);
            for (var tap = 0; tap < taps.Count; tap += Tile.Columns)
            {
                // Taps behind the last one are the last one again; their sums are not read.
                var p = taps.Pointer;
                var last = taps.Count - 1;
                KernelGradientTile.Run<T>(
                    z, spread.ChannelPitch, at, from + p[tap], from + p[Math.Min(tap + 1, last)], from + p[Math.Min(tap + 2, last)],
                    from + p[Math.Min(tap + 3, last)], kernelSums.Pointer + ((long)filter * SumPitch) + (tap * LaneLayout.Samples), SumPitch);
            }
        }
    }

    private void InputGradient(float* to)
    {
        var (taps, positions) = (tables.BackwardTaps, tables.BackwardPositions);
        var result = stackalloc float[Tile.Size];
        for (var position = 0; position < positions.Count; position += Tile.Columns)
        {
            var columns = Math.Min(Tile.Columns, positions.Count - position);
            for (var channel = 0; channel < input.Channels; channel += Tile.Rows)
            {
                Correlate(packedBackward.Pointer + ((long)channel * taps.Count), taps, spreadGradient.Pointer, positions, position, result);
                for (var row = 0; row < Math.Min(Tile.Rows, input.Channels - channel); row++)
                {
                    var length = columns * LaneLayout.Samples;
                    var place = (((long)(channel + row) * positions.Count) + position) * LaneLayout.Samples;
                    new ReadOnlySpan<float>(result + (row * Tile.Columns * LaneLayout.Samples), length).CopyTo(new Span<float>(to + place, length));
                }
            }
        }
    }
}
