using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace CnnCluster.Kernels.Layers;

/// <summary>Where a network says, in backward, how far it has come. One thread at a time.</summary>
/// <param name="places">Places in the network.</param>
/// <param name="reached">Told a place when the gradients of all that comes behind it are complete, in falling order.</param>
public sealed class GradientMarks(IReadOnlySet<int> places, Action<int> reached)
{
    private readonly Dictionary<int, GradientMark.Mark> kept = [];

    public static GradientMarks None { get; } = new(new HashSet<int>(), static _ => { });

    public IReadOnlySet<int> Places => places;

    /// <summary>What stands for a place in the steps of a network: the same in each.</summary>
    internal GradientMark.Mark At(int place, StepContext step)
    {
        if (!kept.TryGetValue(place, out var mark) || mark.Step != step) kept[place] = mark = new GradientMark.Mark(place, reached, step);
        return mark;
    }
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
    /// <param name="marks">Told in backward, on the thread that runs it.</param>
    /// <param name="place">The value's place in its network.</param>
    /// <param name="step">Keeps what goes wrong there.</param>
    public static Tensor Of(Tensor value, GradientMarks marks, int place, StepContext step)
    {
        var marked = apply(value, marks.At(place, step));
        GC.KeepAlive(value);
        return marked;
    }

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        ctx.save_data(Key, (Mark)vars[1]);
        return FunctionTensors.Output(((Tensor)vars[0]).alias());
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var mark = (Mark)ctx.get_data(Key);
        try
        {
            mark.Reached(mark.Place);
        }
        catch (Exception e)
        {
            // Native code called this: the exception waits in the step until backward has returned.
            mark.Step.Fail(e);
        }

        return FunctionTensors.Gradients([grad_output.alias(), null!]);
    }

    internal sealed record Mark(int Place, Action<int> Reached, StepContext Step);
}
