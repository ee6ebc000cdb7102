using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace CnnCluster.Kernels.Layers;

/// <summary>Where a network says, in backward, how far it has come.</summary>
/// <param name="Places">Places in the network.</param>
/// <param name="Reached">Told a place when the gradients of all that comes behind it are complete, in falling order.</param>
public sealed record GradientMarks(IReadOnlySet<int> Places, Action<int> Reached)
{
    public static GradientMarks None { get; } = new(new HashSet<int>(), static _ => { });
}

/// <summary>
/// A value of a network as it is, which tells when backward comes to it. On the CPU, autograd runs what was made last first:
/// so whatever was made behind the mark has then run, and has added its weights' gradients.
/// </summary>
public sealed class GradientMark : SingleTensorFunction<GradientMark>
{
    private const string Key = "mark";

    public override string Name => nameof(GradientMark);

    /// <param name="value">Anything that needs a gradient.</param>
    /// <param name="reached">Called in backward, on the thread that runs it.</param>
    /// <param name="step">Keeps what goes wrong there.</param>
    public static Tensor Of(Tensor value, Action reached, StepContext step) => apply(value, new Mark(reached, step));

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        ctx.save_data(Key, (Mark)vars[1]);
        return ((Tensor)vars[0]).alias();
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var mark = (Mark)ctx.get_data(Key);
        try
        {
            mark.Reached();
        }
        catch (Exception e)
        {
            // Native code called this: the exception waits in the step until backward has returned.
            mark.Step.Fail(e);
        }

        return [grad_output.alias(), null!];
    }

    private sealed record Mark(Action Reached, StepContext Step);
}
