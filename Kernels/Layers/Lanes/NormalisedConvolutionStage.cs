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
    private readonly NormalisationStage<TLanes> normalisation;
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
        this.normalisation = new NormalisationStage<TLanes>(normalisation, sums, output);
        this.sums = sums;
        gradient = new LaneMemory(sums.BlockSize);
    }

    /// <summary>A block's sums, and what the normalisation keeps of it.</summary>
    public override int KeptSize => sums.BlockSize + normalisation.KeptSize;

    public override int PassSize => normalisation.PassSize;

    public override void Forward(in StagePass pass)
    {
        var first = Convolving(pass);
        var second = Normalising(pass);
        convolution.BeginForward();
        normalisation.BeginSums();
        for (var block = 0; block < pass.Blocks; block++)
        {
            convolution.ForwardBlock(first, block);
            normalisation.AddMoments(second, block);
        }

        normalisation.EndForward(second);
    }

    public override void Backward(in StagePass pass)
    {
        var first = Convolving(pass);
        var second = Normalising(pass);
        normalisation.BeginBackward(second);
        convolution.BeginBackward(first);
        for (var block = 0; block < pass.Blocks; block++)
        {
            normalisation.BackwardBlock(second, block, gradient.Pointer);
            convolution.BackwardBlock(first, block, gradient.Pointer);
        }

        convolution.EndBackward();
    }

    public override void Dispose()
    {
        convolution.Dispose();
        normalisation.Dispose();
        gradient.Dispose();
    }

    /// <summary>The sums of all blocks lie in front of what the normalisation keeps.</summary>
    private StagePass Convolving(in StagePass pass) => new(pass.Step, pass.Samples, pass.Input, pass.Kept, kept: null)
    {
        InputGradient = pass.InputGradient,
    };

    private StagePass Normalising(in StagePass pass) =>
        new(pass.Step, pass.Samples, pass.Kept, pass.Output, pass.Kept + ((long)pass.Blocks * sums.BlockSize))
        {
            OutputGradient = pass.OutputGradient,
        };
}
