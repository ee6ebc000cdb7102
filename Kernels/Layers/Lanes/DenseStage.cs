using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>A dense layer with bias, and ReLU if it follows. Weights are read as they lie in the arena, row by row.</summary>
/// <remarks>The features are those of a vector, or of an image in the order channel, height, width.</remarks>
[SkipLocalsInit]
internal sealed unsafe class DenseStage<T> : SliceStage
    where T : unmanaged, ILanes<T>
{
    private const int Pair = 2;
    private readonly LaneWeight kernel;
    private readonly LaneWeight? bias;
    private readonly bool relu;
    private readonly int features;
    private readonly int units;
    private readonly int rowPitch;
    private readonly LaneMemory tail;
    private LaneMemory rows = new(0);
    private LaneMemory paddedGradient = new(0);

    /// <param name="kernel">(units, features).</param>
    /// <param name="bias">(units), or null.</param>
    /// <param name="relu">Whether max(0, x) follows.</param>
    /// <param name="input">Without halo.</param>
    /// <param name="output">Units channels of one pixel, without halo.</param>
    public DenseStage(LaneWeight kernel, LaneWeight? bias, bool relu, LaneLayout input, LaneLayout output)
    {
        (this.kernel, this.bias, this.relu) = (kernel, bias, relu);
        (features, units) = (input.Features, output.Features);
        rowPitch = Tile.RoundUp(features, OuterTile.Width);
        tail = new LaneMemory((long)units * Tile.Tall);
    }

    private int InputSize => features * LaneLayout.Samples;

    private int OutputSize => units * LaneLayout.Samples;

    public override void Forward(in StagePass pass)
    {
        var weights = stackalloc float*[Tile.Rows];
        var (first, biases) = ((nint)kernel.Pointer, bias is null ? 0 : (nint)bias.Pointer);
        var result = stackalloc float[Tile.Rows * Pair * LaneLayout.Samples];
        for (var unit = 0; unit < units; unit += Tile.Rows)
        {
            for (var row = 0; row < Tile.Rows; row++)
            {
                weights[row] = (float*)first + ((long)Math.Min(unit + row, units - 1) * features);
            }

            for (var block = 0; block < pass.Blocks; block += Pair)
            {
                var blocks = Math.Min(Pair, pass.Blocks - block);
                var from = pass.Input + ((long)block * InputSize);
                UnitsTile.Run<T>(weights, features, from, from + ((blocks - 1) * InputSize), result);
                Finish(result, (float*)biases, unit, blocks, pass.Output + ((long)block * OutputSize));
            }
        }
    }

    public override void Backward(in StagePass pass)
    {
        BackwardOfEnding(pass);
        if (kernel.Gradient is not null) AddKernelGradient(pass);
        if (pass.InputGradient is not null) InputGradient(pass);
    }

    public override void Dispose()
    {
        tail.Dispose();
        rows.Dispose();
        paddedGradient.Dispose();
    }

    private void Finish(float* result, float* biases, int unit, int blocks, float* to)
    {
        for (var row = 0; row < Math.Min(Tile.Rows, units - unit); row++)
        {
            var added = T.Create(biases is null ? 0 : biases[unit + row]);
            for (var block = 0; block < blocks; block++)
            {
                var from = result + (((row * Pair) + block) * LaneLayout.Samples);
                var place = to + ((long)block * OutputSize) + ((unit + row) * LaneLayout.Samples);
                for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
                {
                    var value = T.Add(T.Load(from + lane), added);
                    T.Store(relu ? Pointwise.Relu(value) : value, place + lane);
                }
            }
        }
    }

    /// <summary>Takes the gradient back through ReLU, in place, and adds the bias' gradient.</summary>
    private void BackwardOfEnding(in StagePass pass)
    {
        var sum = stackalloc float[LaneLayout.Samples];
        var sums = bias is null ? null : bias.GradientOf(pass);
        for (var unit = 0; unit < units; unit++)
        {
            new Span<float>(sum, LaneLayout.Samples).Clear();
            for (var block = 0; block < pass.Blocks; block++)
            {
                var place = ((long)block * OutputSize) + (unit * LaneLayout.Samples);
                for (var lane = 0; lane < LaneLayout.Samples; lane += T.Count)
                {
                    var g = T.Load(pass.OutputGradient + place + lane);
                    if (relu) g = Pointwise.ReluGradient(T.Load(pass.Output + place + lane), g);
                    T.Store(g, pass.OutputGradient + place + lane);
                    T.Store(T.Add(T.Load(sum + lane), g), sum + lane);
                }
            }

            if (sums is not null) sums[unit] += Pointwise.Sum<T>(sum);
        }
    }

    /// <summary>∂L/∂W += Σₙ z[n]·x[n]ᵀ, with the samples' features in rows.</summary>
    private void AddKernelGradient(in StagePass pass)
    {
        var samples = pass.Blocks * LaneLayout.Samples;
        rows = LaneMemory.AtLeast(rows, (long)samples * rowPitch);
        LaneTransposition.ToRows(pass.Input, pass.Blocks, features, rows.Pointer, rowPitch);
        var result = stackalloc float[Tile.Rows * OuterTile.Width];
        var to = kernel.GradientOf(pass);
        for (var unit = 0; unit < units; unit += Tile.Rows)
        {
            var count = Math.Min(Tile.Rows, units - unit);
            var (z, pitch) = SixUnitsAt(pass, unit, count);
            for (var feature = 0; feature < features; feature += OuterTile.Width)
            {
                OuterTile.Run<T>((float*)z, pitch, pass.Blocks, rows.Pointer + feature, rowPitch, result);
                for (var row = 0; row < count; row++)
                {
                    var place = to + ((long)(unit + row) * features) + feature;
                    Add(result + (row * OuterTile.Width), place, Math.Min(OuterTile.Width, features - feature));
                }
            }
        }
    }

    /// <summary>Six units' gradients, block after block; the last units are copied, with zeros behind them.</summary>
    private (nint First, nint Pitch) SixUnitsAt(in StagePass pass, int unit, int count)
    {
        if (count == Tile.Rows) return ((nint)(pass.OutputGradient + (unit * LaneLayout.Samples)), OutputSize);
        const int size = Tile.Rows * LaneLayout.Samples;
        paddedGradient = LaneMemory.AtLeast(paddedGradient, (long)pass.Blocks * size);
        for (var block = 0; block < pass.Blocks; block++)
        {
            var to = new Span<float>(paddedGradient.Pointer + (block * size), size);
            var from = pass.OutputGradient + ((long)block * OutputSize) + (unit * LaneLayout.Samples);
            new ReadOnlySpan<float>(from, count * LaneLayout.Samples).CopyTo(to);
            to[(count * LaneLayout.Samples)..].Clear();
        }

        return ((nint)paddedGradient.Pointer, size);
    }

    /// <summary>∂L/∂x = Wᵀ·z.</summary>
    private void InputGradient(in StagePass pass)
    {
        const int size = Tile.Tall * LaneLayout.Samples;
        var result = stackalloc float[Pair * size];
        var first = kernel.Pointer;
        for (var feature = 0; feature < features; feature += Tile.Tall)
        {
            var count = Math.Min(Tile.Tall, features - feature);
            var (weights, pitch) = ColumnsAt(first, feature, count);
            for (var block = 0; block < pass.Blocks; block += Pair)
            {
                var z = pass.OutputGradient + ((long)block * OutputSize);
                var to = pass.InputGradient + ((long)block * InputSize) + (feature * LaneLayout.Samples);
                if (block + 1 < pass.Blocks)
                {
                    ColumnsTile.Run<T>((float*)weights, pitch, units, z, z + OutputSize, result, result + size);
                    Copy(result + size, to + InputSize, count);
                }
                else
                {
                    ColumnsTile.Run<T>((float*)weights, pitch, units, z, result);
                }

                Copy(result, to, count);
            }
        }
    }

    /// <summary>24 columns of the weights; the last ones are copied, so that nothing behind the weights is read.</summary>
    private (nint First, nint Pitch) ColumnsAt(float* first, int feature, int count)
    {
        if (count == Tile.Tall) return ((nint)(first + feature), features);
        for (var unit = 0; unit < units; unit++)
        {
            var from = new ReadOnlySpan<float>(first + ((long)unit * features) + feature, count);
            from.CopyTo(new Span<float>(tail.Pointer + (unit * Tile.Tall), count));
        }

        return ((nint)tail.Pointer, Tile.Tall);
    }

    private static void Copy(float* from, float* to, int features)
    {
        for (var i = 0; i < features * LaneLayout.Samples; i += T.Count)
        {
            T.Store(T.Load(from + i), to + i);
        }
    }

    private static void Add(float* from, float* to, int count)
    {
        var i = 0;
        for (; i <= count - T.Count; i += T.Count)
        {
            T.Store(T.Add(T.Load(to + i), T.Load(from + i)), to + i);
        }

        for (; i < count; i++)
        {
            to[i] += from[i];
        }
    }
}
