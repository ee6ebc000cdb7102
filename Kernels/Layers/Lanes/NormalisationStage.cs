using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>
/// Batch normalisation, and what may follow it at once: ReLU, max-pooling of 2×2. The statistics are known when all blocks have
/// been read, and so is what the gradient of each element owes to all others: both passes go over the blocks twice.
/// </summary>
/// <remarks>Sums are taken block by block, in doubles and in one order for registers of any width.</remarks>
[SkipLocalsInit]
internal sealed unsafe class NormalisationStage<TLanes> : LaneStage
    where TLanes : struct, IFloatLanes<TLanes>
{
    private readonly LaneLayer.Normalisation layer;
    private readonly LaneLayout input;
    private readonly LaneLayout output;
    private readonly int pixels;
    private readonly int outputPitch;
    private readonly OffsetTable outputs;
    private readonly OffsetTable windows;
    private readonly OffsetTable rest;
    private readonly Tensor sums;

    /// <param name="layer">Its weights, statistics and ending.</param>
    /// <param name="input">Without halo.</param>
    /// <param name="output">Its layout, pooled if the ending pools.</param>
    public NormalisationStage(LaneLayer.Normalisation layer, LaneLayout input, LaneLayout output)
    {
        (this.layer, this.input, this.output) = (layer, input, output);
        (pixels, outputPitch) = (input.Height * input.Width, output.ChannelPitch);
        outputs = new OffsetTable([.. ConvolutionTables.Rows(output.Height, output.Width).Select(at => output.OffsetOf(at.Height, at.Width))]);
        List<int> pooled = layer.Ending.Pools()
            ? [.. ConvolutionTables.Windows(input.Height, input.Width).Select(at => input.OffsetOf(at.Height, at.Width))]
            : [];
        windows = new OffsetTable(pooled);
        rest = new OffsetTable([.. Enumerable.Range(0, pixels).Select(static pixel => pixel * LaneLayout.Samples).Except(pooled)]);
        sums = zeros([2 * input.Channels], dtype: ScalarType.Float64).DetachFromDisposeScope();
    }

    /// <summary>Of each window the winner, a byte, and what it was before it was normalised.</summary>
    public override int KeptSize => layer.Ending.Pools() ? WinnersSize + (output.Features * LaneLayout.Samples) : 0;

    /// <summary>How many elements the statistics are of, 0 where they were given, and the channels' numbers.</summary>
    public override int PassSize => Tile.RoundUp(CountSize + (ChannelTable.Rows * input.Channels), LaneLayout.Samples);

    private static int CountSize => sizeof(double) / sizeof(float);

    private int WinnersSize => Tile.RoundUp(output.Features * LaneLayout.Samples / sizeof(float), LaneLayout.Samples);

    private double* Sums => TensorMemory.Pointer<double>(sums);

    public override void Forward(in StagePass pass)
    {
        BeginSums();
        for (var block = 0; block < pass.Blocks; block++)
        {
            AddMoments(pass, block);
        }

        EndForward(pass);
    }

    public override void Backward(in StagePass pass)
    {
        BeginBackward(pass);
        if (pass.InputGradient is null) return;
        for (var block = 0; block < pass.Blocks; block++)
        {
            BackwardBlock(pass, block, pass.InputGradient + ((long)block * input.BlockSize));
        }
    }

    /// <summary>Comes before the blocks' sums.</summary>
    public void BeginSums() => new Span<double>(Sums, 2 * input.Channels).Clear();

    /// <summary>A block's part in the statistics of the batch, if they are asked for.</summary>
    public void AddMoments(in StagePass pass, int block)
    {
        if (IsOfBatch(pass)) AddUp<Moments>(pass, block);
    }

    /// <summary>All blocks' outputs, once their moments are added; here all ranks meet, where they are joined.</summary>
    public void EndForward(in StagePass pass)
    {
        SetStatistics(pass);
        for (var block = 0; block < pass.Blocks; block++)
        {
            if (layer.Ending.Rectifies())
            {
                Normalise<Rectifier>(pass, block);
            }
            else
            {
                Normalise<Nothing>(pass, block);
            }
        }
    }

    /// <summary>
    /// The weights' gradients, and what the input's gradient has to know of the whole batch: here all ranks meet, where they
    /// are joined.
    /// </summary>
    public void BeginBackward(in StagePass pass)
    {
        BeginSums();
        for (var block = 0; block < pass.Blocks; block++)
        {
            if (layer.Ending.Rectifies())
            {
                AddUp<GradientTerms<Rectifier>>(pass, block);
            }
            else
            {
                AddUp<GradientTerms<Nothing>>(pass, block);
            }
        }

        var table = TableOf(pass);
        double? count = CountOf(pass) > 0 ? CountOf(pass) : null;
        BatchGradients.Centre(table, Sums);
        // The weights' gradients are this rank's part: they are reduced with all others, at the end of the step.
        BatchGradients.AddWeights(
            table, Sums, layer.Scale is null ? null : layer.Scale.GradientPointer, layer.Shift is null ? null : layer.Shift.GradientPointer);
        if (count is not null && layer.Settings.Synchronised) pass.Step.Collective.AllReduceSum(sums);
        BatchGradients.Share(table, Sums, count);
    }

    /// <param name="pass">The pass.</param>
    /// <param name="block">Its block.</param>
    /// <param name="result">The block's input's gradient, written.</param>
    public void BackwardBlock(in StagePass pass, int block, float* result)
    {
        if (layer.Ending.Rectifies())
        {
            InputGradient<Rectifier>(pass, block, result);
        }
        else
        {
            InputGradient<Nothing>(pass, block, result);
        }

        // Lanes without a sample hold zeros in gradients.
        var held = HeldBy(pass, block);
        for (var place = 0; held < LaneLayout.Samples && place < input.BlockSize; place += LaneLayout.Samples)
        {
            new Span<float>(result + place + held, LaneLayout.Samples - held).Clear();
        }
    }

    public override void Dispose()
    {
        outputs.Dispose();
        windows.Dispose();
        rest.Dispose();
        sums.Dispose();
    }

    private static ref double CountOf(in StagePass pass) => ref *(double*)pass.Kept;

    private static int HeldBy(in StagePass pass, int block) =>
        (int)Math.Min(LaneLayout.Samples, pass.Samples - ((long)block * LaneLayout.Samples));

    private ChannelTable TableOf(in StagePass pass) => new(pass.Kept + CountSize, input.Channels);

    private byte* WinnersOf(in StagePass pass, int block) => (byte*)(pass.Kept + PassSize + ((long)block * KeptSize));

    private float* WinningOf(in StagePass pass, int block) => pass.Kept + PassSize + ((long)block * KeptSize) + WinnersSize;

    private float* InputOf(in StagePass pass, int block) => pass.Input + ((long)block * input.BlockSize);

    /// <summary>Gradients have no halo.</summary>
    private float* GradientOf(in StagePass pass, int block) =>
        pass.OutputGradient + ((long)block * output.Features * LaneLayout.Samples);

    /// <summary>An empty slice of a worker that keeps to itself has no statistics to add.</summary>
    private bool IsOfBatch(in StagePass pass) =>
        !layer.Settings.Frozen && pass.Step.Training && (layer.Settings.Synchronised || pass.Samples > 0);

    private BatchNormCall CallOf(in StagePass pass) => new(pass.Step, layer.Current.Mean, layer.Current.Variance)
    {
        NextMean = IsOfBatch(pass) ? layer.Next.Mean : null,
        NextVariance = IsOfBatch(pass) ? layer.Next.Variance : null,
        Momentum = layer.Settings.Momentum,
        Epsilon = layer.Settings.Epsilon,
        Synchronised = layer.Settings.Synchronised,
    };

    private void SetStatistics(in StagePass pass)
    {
        var table = TableOf(pass);
        var call = CallOf(pass);
        ref var count = ref CountOf(pass);
        count = call.OfBatch ? call.Count([pass.Samples, input.Channels, input.Height, input.Width]) : 0;
        if (call.OfBatch)
        {
            BatchStatistics.OfSums(sums, count, call, table);
        }
        else
        {
            BatchStatistics.OfRun(call, table);
        }

        BatchStatistics.Weigh(layer.Scale is null ? null : layer.Scale.Pointer, layer.Shift is null ? null : layer.Shift.Pointer, table);
    }

    /// <summary>Adds a block's two sums over each channel: of lanes without a sample nothing is added.</summary>
    private void AddUp<TTerms>(in StagePass pass, int block)
        where TTerms : IChannelTerms
    {
        const int length = NormalisationPlane<TLanes>.SumsLength;
        var table = TableOf(pass);
        var held = HeldBy(pass, block);
        var totals = Sums;
        var partial = stackalloc double[length];
        for (var channel = 0; channel < input.Channels; channel++)
        {
            new Span<double>(partial, length).Clear();
            AddUpPlane<TTerms>(pass, block, channel, table.Same<TLanes>(channel), partial);
            totals[channel] += NormalisationPlane<TLanes>.Total(partial, held);
            totals[input.Channels + channel] += NormalisationPlane<TLanes>.Total(partial + (length / 2), held);
        }
    }

    private void AddUpPlane<TTerms>(in StagePass pass, int block, int channel, in ChannelNumbers<TLanes> numbers, double* partial)
        where TTerms : IChannelTerms
    {
        var x = InputOf(pass, block) + ((long)channel * pixels * LaneLayout.Samples);
        var place = channel * outputs.Count * LaneLayout.Samples;
        if (pass.OutputGradient is null)
        {
            // Forward: moments are of x alone.
            NormalisationPlane<TLanes>.AddUp<TTerms>(x, x, pixels, numbers, partial);
        }
        else if (layer.Ending.Pools())
        {
            NormalisationPlane<TLanes>.AddUpWinners(
                WinningOf(pass, block) + place, GradientOf(pass, block) + place, WinnersOf(pass, block) + place, outputs.Count, numbers, partial);
        }
        else
        {
            NormalisationPlane<TLanes>.AddUp<TTerms>(x, GradientOf(pass, block) + place, pixels, numbers, partial);
        }
    }

    private void Normalise<TFollower>(in StagePass pass, int block)
        where TFollower : IFollower
    {
        var table = TableOf(pass);
        for (var channel = 0; channel < input.Channels; channel++)
        {
            var from = InputOf(pass, block) + ((long)channel * pixels * LaneLayout.Samples);
            var y = pass.Output + ((long)block * output.BlockSize) + ((long)channel * outputPitch);
            if (layer.Ending.Pools())
            {
                var place = channel * outputs.Count * LaneLayout.Samples;
                NormalisationPlane<TLanes>.Pool<TFollower>(
                    from, windows, table.Same<TLanes>(channel), y, outputs, WinnersOf(pass, block) + place, WinningOf(pass, block) + place);
            }
            else
            {
                NormalisationPlane<TLanes>.Normalise<TFollower>(from, table.Same<TLanes>(channel), y, outputs);
            }
        }
    }

    private void InputGradient<TFollower>(in StagePass pass, int block, float* result)
        where TFollower : IFollower
    {
        var table = TableOf(pass);
        for (var channel = 0; channel < input.Channels; channel++)
        {
            var plane = (long)channel * pixels * LaneLayout.Samples;
            var place = channel * outputs.Count * LaneLayout.Samples;
            var x = InputOf(pass, block) + plane;
            var numbers = table.Same<TLanes>(channel);
            if (layer.Ending.Pools())
            {
                NormalisationPlane<TLanes>.Unpool(
                    x, windows, GradientOf(pass, block) + place, WinnersOf(pass, block) + place, numbers, result + plane);
                NormalisationPlane<TLanes>.WithoutGradient(x, rest, numbers, result + plane);
            }
            else
            {
                NormalisationPlane<TLanes>.BackPropagate<TFollower>(x, GradientOf(pass, block) + place, pixels, numbers, result + plane);
            }
        }
    }
}
