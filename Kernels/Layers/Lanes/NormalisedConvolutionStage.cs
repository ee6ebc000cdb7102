namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>
/// A convolution and the batch normalisation behind it. Its sums are kept between them alone: a block's moments are added while
/// it is in the cache, and its gradient is used up as soon as it is made.
/// </summary>
internal sealed unsafe class NormalisedConvolutionStage<T, TLanes> : LaneStage
    where T : unmanaged, ILanes<T>
    where TLanes : struct, IFloatLanes<TLanes>
{
    private readonly ConvolutionStage<T> convolution;
    private readonly LaneNormalisation<TLanes> normalisation;
    private readonly LaneLayout sums;
    private readonly LaneMemory gradient;

    /// <param name="convolution">With nothing behind its bias.</param>
    /// <param name="normalisation">Reads its sums.</param>
    /// <param name="input">The convolution's.</param>
    /// <param name="sums">What is between them: without halo.</param>
    /// <param name="output">The normalisation's.</param>
    public NormalisedConvolutionStage(
        LaneLayer.Convolution convolution, LaneLayer.Normalisation normalisation, LaneLayout input, LaneLayout sums, LaneLayout output)
    {
        this.convolution = new ConvolutionStage<T>(convolution.Geometry, convolution.Kernel, convolution.Bias, convolution.Ending, input, sums);
        this.normalisation = new LaneNormalisation<TLanes>(normalisation, sums, output);
        this.sums = sums;
        gradient = new LaneMemory(sums.BlockSize);
    }

    /// <summary>A block's sums, and what the normalisation keeps of it.</summary>
    public override int KeptSize => sums.BlockSize + normalisation.KeptSize;

    public override int PassSize => normalisation.PassSize;

    public override void Forward(in StagePasses passes)
    {
        convolution.BeginForward();
        normalisation.BeginSums(passes);
        for (var slice = 0; slice < passes.Count; slice++)
        {
            var first = Convolving(passes[slice]);
            var second = Normalising(passes[slice]);
            for (var block = 0; block < first.Blocks; block++)
            {
                convolution.ForwardBlock(first, block);
                normalisation.AddMoments(second, slice, block);
            }
        }

        normalisation.JoinMoments(passes);
        for (var slice = 0; slice < passes.Count; slice++)
        {
            normalisation.EndForward(Normalising(passes[slice]), slice);
        }
    }

    public override void Backward(in StagePasses passes)
    {
        normalisation.BeginSums(passes);
        for (var slice = 0; slice < passes.Count; slice++)
        {
            normalisation.AddGradients(Normalising(passes[slice]), slice);
        }

        normalisation.JoinGradients(passes, Normalising(passes[0]));
        for (var slice = 0; slice < passes.Count; slice++)
        {
            BackwardSlice(passes[slice], slice);
        }
    }

    public override void Dispose()
    {
        convolution.Dispose();
        normalisation.Dispose();
        gradient.Dispose();
    }

    private void BackwardSlice(in StagePass pass, int slice)
    {
        var first = Convolving(pass);
        var second = Normalising(pass);
        normalisation.Share(second, slice);
        convolution.BeginBackward(first);
        for (var block = 0; block < pass.Blocks; block++)
        {
            normalisation.BackwardBlock(second, block, gradient.Pointer);
            convolution.BackwardBlock(first, block, gradient.Pointer);
        }

        convolution.EndBackward(first);
    }

    /// <summary>The sums of all blocks lie in front of what the normalisation keeps.</summary>
    private StagePass Convolving(in StagePass pass) => new(pass.Step, pass.Samples, pass.Input, pass.Kept, kept: null)
    {
        InputGradient = pass.InputGradient,
        GradientShift = pass.GradientShift,
    };

    private StagePass Normalising(in StagePass pass) =>
        new(pass.Step, pass.Samples, pass.Kept, pass.Output, pass.Kept + ((long)pass.Blocks * sums.BlockSize))
        {
            OutputGradient = pass.OutputGradient,
            GradientShift = pass.GradientShift,
        };
}
