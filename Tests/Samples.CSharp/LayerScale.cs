using CnnCluster.Dsl;
using TorchSharp;

namespace CnnCluster.Samples;

/// <summary>
/// A layer of one's own, with weights: each channel times a learned factor that begins small (Touvron et al., ICCV 2021),
/// so that a deep residual network begins as the identity.
/// </summary>
public static class LayerScale
{
    public static LayerDefinition Definition { get; } = OwnLayer.Define(
        "layerscale",
        OwnLayer.Help(
            "Multiplies each channel by a learned factor.",
            shape: "kept",
            example: "input 8x8x4 as x; conv 4 3 pad=same; layerscale 0.1; add x here",
            formula: "y = factor·x, channel by channel",
            parameters: "C",
            cost: "elements of the output",
            source: "Touvron et al., ICCV 2021"),
        [
            OwnLayer.Argument("initial", ArgumentKind.NewRealNumber(0, 10), Value.NewRealValue(1e-5), "What the factors begin with."),
            OwnLayer.Frozen,
        ],
        PlanAt);

    private static Microsoft.FSharp.Core.FSharpResult<LayerPlan, LayerFault> PlanAt(LayerSite site)
    {
        var channels = site.Input.Channels;
        var initial = Initialiser.NewConstant(site.Arguments.Real("initial"));
        return OwnLayer.Plan(
            site.Input,
            site.Field,
            [OwnLayer.Weight("factor", [channels], initial)],
            site.Input.Elements,
            static call => call.Input * Along(call.Input, call.Weights[0]));
    }

    /// <summary>One factor a channel, as it is broadcast over (N, C, sides…).</summary>
    private static torch.Tensor Along(torch.Tensor x, torch.Tensor factors)
    {
        var shape = new long[x.dim() - 1];
        Array.Fill(shape, 1);
        shape[0] = factors.shape[0];
        return factors.reshape(shape);
    }
}
