using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>
/// The arithmetic of batch normalisation, and of what may follow it at once: ReLU, max-pooling of 2×2. The statistics are known when all blocks have
/// been read, and so is what the gradient of each element owes to all others: both passes go over the blocks twice.
/// </summary>
/// <remarks>Sums are taken block by block, in doubles and in one order for registers of any width.</remarks>
[SkipLocalsInit]
internal sealed unsafe class LaneNormalisation<TLanes> : IDisposable
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
    private readonly SliceSums sums;

    /// <param name="layer">Its weights, statistics and ending.</param>
    /// <param name="input">Without halo.</param>
    /// <param name="output">Its layout, pooled if the ending pools.</param>
    public LaneNormalisation(LaneLayer.Normalisation layer, LaneLayout input, LaneLayout output)
    {
        (this.layer, this.input, this.output) = (layer, input, output);
        (pixels, outputPitch) = (input.Height * input.Width, output.ChannelPitch);
        outputs = new OffsetTable([.. ConvolutionTables.Rows(output.Height, output.Width).Select(at => output.OffsetOf(at.Height, at.Width))]);
        List<int> pooled = layer.Ending.Pools()
            ? [.. ConvolutionTables.Windows(input.Height, input.Width).Select(at => input.OffsetOf(at.Height, at.Width))]
            : [];
        windows = new OffsetTable(pooled);
        rest = new OffsetTable([.. Enumerable.Range(0, pixels).Select(static pixel => pixel * LaneLayout.Samples).Except(pooled)]);
        sums = new SliceSums(2 * input.Channels);
    }

    /// <summary>Of each window the winner, a byte, and what it was before it was normalised.</summary>
    public int KeptSize => layer.Ending.Pools() ? WinnersSize + (output.Features * LaneLayout.Samples) : 0;

    /// <summary>How many elements the statistics are of, 0 where they were given, and the channels' numbers.</summary>
    public int PassSize => Tile.RoundUp(CountSize + (ChannelTable.Rows * input.Channels), LaneLayout.Samples);

    private static int CountSize => sizeof(double) / sizeof(float);

    private int WinnersSize => Tile.RoundUp(output.Features * LaneLayout.Samples / sizeof(float), LaneLayout.Samples);

    /// <summary>Comes before the slices' sums.</summary>
    public void BeginSums(in StagePasses passes) => sums.Clear(passes.Count);

    /// <summary>A block's part in the statistics of the batch, if they are asked for.</summary>
    public void AddMoments(in StagePass pass, int slice, int block)
    {
        if (IsOfBatch(pass)) AddUp<Moments>(pass, block, sums.Of(slice));
    }

    /// <summary>All slices and ranks meet here, where they are joined.</summary>
    public void JoinMoments(in StagePasses passes)
    {
        if (passes.Step.Training && layer.Settings is { Frozen: false, Synchronised: true }) passes.AllReduceSum(sums.Tensors);
    }

    /// <summary>A slice's outputs, once the moments are joined.</summary>
    public void EndForward(in StagePass pass, int slice)
    {
        SetStatistics(pass, slice);
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

    /// <summary>A slice's part in the weights' gradients, and in what the input's gradient has to know of the whole batch.</summary>
    public void AddGradients(in StagePass pass, int slice)
    {
        var totals = sums.Of(slice);
        for (var block = 0; block < pass.Blocks; block++)
        {
            if (layer.Ending.Rectifies())
            {
                AddUp<GradientTerms<Rectifier>>(pass, block, totals);
            }
            else
            {
                AddUp<GradientTerms<Nothing>>(pass, block, totals);
            }
        }

        var table = TableOf(pass);
        BatchGradients.Centre(table, totals);
        // The weights' gradients are this slice's part: they are reduced with all others, at the end of the step.
        BatchGradients.AddWeights(
            table, totals, layer.Scale is null ? null : layer.Scale.GradientOf(pass), layer.Shift is null ? null : layer.Shift.GradientOf(pass));
    }

    /// <summary>All slices and ranks meet here, where they were joined in the forward pass.</summary>
    /// <param name="passes">All slices'.</param>
    /// <param name="first">The first one's, with what the forward pass kept.</param>
    public void JoinGradients(in StagePasses passes, in StagePass first)
    {
        if (CountOf(first) > 0 && layer.Settings.Synchronised) passes.AllReduceSum(sums.Tensors);
    }

    /// <summary>What each element of a slice has to know of the whole batch; its blocks' gradients come next.</summary>
    public void Share(in StagePass pass, int slice) =>
        BatchGradients.Share(TableOf(pass), sums.Of(slice), CountOf(pass) > 0 ? CountOf(pass) : null);

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

    public void Dispose()
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

    /// <summary>Of the running statistics one slice makes the next: to all of them the batch is the same.</summary>
    private void SetStatistics(in StagePass pass, int slice)
    {
        var table = TableOf(pass);
        ref var count = ref CountOf(pass);
        if (IsOfBatch(pass))
        {
            var totals = sums.Of(slice);
            count = (double)(layer.Settings.Synchronised ? pass.Step.GlobalBatch : pass.Samples) * pixels;
            BatchStatistics.OfSums(totals, count, layer.Settings.Epsilon, table);
            if (slice == 0) BatchStatistics.Remember(totals, count, layer.Settings.Momentum, input.Channels, layer.Next.MeanPointer, layer.Next.VariancePointer);
        }
        else
        {
            count = 0;
            BatchStatistics.OfRun(layer.Current.MeanPointer, layer.Current.VariancePointer, layer.Settings.Epsilon, table);
        }

        BatchStatistics.Weigh(layer.Scale is null ? null : layer.Scale.Pointer, layer.Shift is null ? null : layer.Shift.Pointer, table);
    }

    /// <summary>Adds a block's two sums over each channel: of lanes without a sample nothing is added.</summary>
    private void AddUp<TTerms>(in StagePass pass, int block, double* totals)
        where TTerms : IChannelTerms
    {
        const int length = NormalisationPlane<TLanes>.SumsLength;
        var table = TableOf(pass);
        var held = HeldBy(pass, block);
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
