namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Batch normalisation of a value that something else reads or makes in lanes.</summary>
internal sealed unsafe class NormalisationStage<TLanes> : LaneStage
    where TLanes : struct, IFloatLanes<TLanes>
{
    private readonly LaneNormalisation<TLanes> normalisation;
    private readonly LaneLayout input;

    /// <param name="layer">Its weights, statistics and ending.</param>
    /// <param name="input">Without halo.</param>
    /// <param name="output">Its layout, pooled if the ending pools.</param>
    public NormalisationStage(LaneLayer.Normalisation layer, LaneLayout input, LaneLayout output)
    {
        normalisation = new LaneNormalisation<TLanes>(layer, input, output);
        this.input = input;
    }

    public override int KeptSize => normalisation.KeptSize;

    public override int PassSize => normalisation.PassSize;

    public override void Forward(in StagePasses passes)
    {
        normalisation.BeginSums(passes);
        for (var slice = 0; slice < passes.Count; slice++)
        {
            var pass = passes[slice];
            for (var block = 0; block < pass.Blocks; block++)
            {
                normalisation.AddMoments(pass, slice, block);
            }
        }

        normalisation.JoinMoments(passes);
        for (var slice = 0; slice < passes.Count; slice++)
        {
            normalisation.EndForward(passes[slice], slice);
        }
    }

    public override void Backward(in StagePasses passes)
    {
        normalisation.BeginSums(passes);
        for (var slice = 0; slice < passes.Count; slice++)
        {
            normalisation.AddGradients(passes[slice], slice);
        }

        normalisation.JoinGradients(passes, passes[0]);
        for (var slice = 0; slice < passes.Count; slice++)
        {
            var pass = passes[slice];
            normalisation.Share(pass, slice);
            for (var block = 0; pass.InputGradient is not null && block < pass.Blocks; block++)
            {
                normalisation.BackwardBlock(pass, block, pass.InputGradient + ((long)block * input.BlockSize));
            }
        }
    }

    public override void Dispose() => normalisation.Dispose();
}
