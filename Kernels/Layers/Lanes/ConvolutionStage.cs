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
    private readonly ConvolutionEnding ending;
    private readonly LaneLayout input;
    private readonly LaneLayout output;
    private readonly LaneLayout spread;
    private readonly ConvolutionTables tables;
    private readonly OffsetTable outputs;
    private readonly int filters;
    private readonly LaneMemory packed;
    private readonly LaneMemory packedBackward;
    private readonly LaneMemory spreadGradient;
    private readonly LaneMemory kernelSums;
    private readonly Func<int, int, int, int> backwardPlace;
    private readonly LaneMemory biasSums;

    /// <param name="geometry">The window.</param>
    /// <param name="kernel">(O, C, K, K).</param>
    /// <param name="bias">(O), or null.</param>
    /// <param name="ending">What follows.</param>
    /// <param name="input">Its layout.</param>
    /// <param name="output">Its layout, pooled if the ending pools.</param>
    public ConvolutionStage(
        ConvolutionGeometry geometry, LaneWeight kernel, LaneWeight? bias, ConvolutionEnding ending, LaneLayout input, LaneLayout output)
    {
        (this.kernel, this.bias, this.ending, this.input, this.output) = (kernel, bias, ending, input, output);
        filters = output.Channels;
        var sums = geometry.OutputOf(new Axes(input.Height, input.Width));
        spread = SpreadLayout(geometry, input, sums, filters);
        var pixels = ending.Pools() ? ConvolutionTables.Windows(sums.Height, sums.Width) : ConvolutionTables.Rows(sums.Height, sums.Width);
        tables = new ConvolutionTables(geometry, input, spread, filters, [.. pixels]);
        outputs = new OffsetTable([.. ConvolutionTables.Rows(output.Height, output.Width).Select(at => output.OffsetOf(at.Height, at.Width))]);
        packed = new LaneMemory((long)Tile.RoundUp(filters, Tile.Rows) * TapCount);
        packedBackward = new LaneMemory((long)Tile.RoundUp(input.Channels, Tile.Rows) * tables.BackwardTaps.Count);
        spreadGradient = new LaneMemory(spread.BlockSize);
        kernelSums = new LaneMemory((long)spread.Channels * SumPitch);
        biasSums = new LaneMemory((long)filters * LaneLayout.Samples);
        var area = TapCount / input.Channels;
        backwardPlace = (channel, tap, _) => (tap / area * TapCount) + (channel * area) + (tap % area);
    }

    public override int WinnersSize => ending.Pools() ? output.Features * LaneLayout.Samples : 0;

    private int TapCount => tables.Taps.Count;

    private int SumPitch => Tile.RoundUp(TapCount, Tile.Columns) * LaneLayout.Samples;

    public override void Forward(in StagePass pass)
    {
        var biases = bias is null ? null : bias.Pointer;
        Pack(kernel.Pointer, filters, TapCount, packed.Pointer, static (filter, tap, taps) => (filter * taps) + tap);
        for (var block = 0; block < pass.Blocks; block++)
        {
            ForwardBlock(
                biases, pass.Input + ((long)block * input.BlockSize), pass.Output + ((long)block * output.BlockSize),
                pass.Winners + ((long)block * WinnersSize));
        }
    }

    public override void Backward(in StagePass pass)
    {
        kernelSums.Clear(kernelSums.Length);
        biasSums.Clear(biasSums.Length);
        if (pass.InputGradient is not null) PackBackward();
        for (var block = 0; block < pass.Blocks; block++)
        {
            var gradient = pass.OutputGradient + ((long)block * output.Features * LaneLayout.Samples);
            Spread(gradient, pass.Output + ((long)block * output.BlockSize), pass.Winners + ((long)block * WinnersSize));
            if (kernel.Gradient is not null) AddKernelSums(pass.Input + ((long)block * input.BlockSize));
            if (pass.InputGradient is not null)
            {
                InputGradient(pass.InputGradient + ((long)block * input.Features * LaneLayout.Samples));
            }
        }

        AddGradients();
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

    /// <summary>
    /// The output's gradient as its own convolution reads it backward: strides apart, and with as many zeros around it as
    /// the input's outermost pixels look beyond it.
    /// </summary>
    private static LaneLayout SpreadLayout(ConvolutionGeometry geometry, LaneLayout input, Axes sums, int filters)
    {
        var (height, before, after) = Side(geometry.Kernel.Height, geometry.Dilation.Height, geometry.Stride.Height, geometry.Before.Height, input.Height, sums.Height);
        var (width, left, right) = Side(geometry.Kernel.Width, geometry.Dilation.Width, geometry.Stride.Width, geometry.Before.Width, input.Width, sums.Width);
        return new LaneLayout(Tile.RoundUp(filters, Tile.Rows), height, width, new Halo(before, left, after, right));

        static (int Side, int Before, int After) Side(int kernel, int dilation, int stride, int padding, int input, int output)
        {
            var side = ((output - 1) * stride) + 1;
            return (side, Math.Max(0, ((kernel - 1) * dilation) - padding), Math.Max(0, padding + input - side));
        }
    }

    /// <summary>Weights as <see cref="CorrelationTile"/> reads them: [rows / 6][taps][6], zeros in place of missing rows.</summary>
    private static void Pack(float* weights, int rows, int taps, float* packed, Func<int, int, int, int> place)
    {
        for (var row = 0; row < rows; row++)
        {
            var column = packed + ((long)row / Tile.Rows * Tile.Rows * taps) + (row % Tile.Rows);
            for (var tap = 0; tap < taps; tap++)
            {
                column[(long)tap * Tile.Rows] = weights[place(row, tap, taps)];
            }
        }
    }

    /// <summary>The rows are input channels, the taps run over all filters.</summary>
    private void PackBackward() =>
        Pack(kernel.Pointer, input.Channels, tables.BackwardTaps.Count, packedBackward.Pointer, backwardPlace);

    private void ForwardBlock(float* biases, float* from, float* to, float* winners)
    {
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

    private void ForwardTile(float* biases, float* from, float* to, float* winners, int filter, int position)
    {
        var result = stackalloc float[Tile.Size];
        Correlate(packed.Pointer + ((long)filter * TapCount), tables.Taps, from, tables.Inputs, position, result);
        var rows = Math.Min(Tile.Rows, filters - filter);
        for (var row = 0; row < rows; row++)
        {
            var pixels = result + (row * Tile.Columns * LaneLayout.Samples);
            var added = biases is null ? 0 : biases[filter + row];
            var channel = to + ((long)(filter + row) * output.ChannelPitch);
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
                    var value = values + ((long)filter * output.ChannelPitch) + outputs.Pointer[i];
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

    private void AddGradients()
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
}
