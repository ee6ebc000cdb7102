using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// The sum over all ranks as a step of the network: y = Σᵣ xᵣ on every rank. Every rank's loss depends on every
/// rank's x through it, so ∂L/∂x = Σᵣ ∂Lᵣ/∂y: backward is the same sum.
/// </summary>
/// <remarks>
/// Every rank, one with an empty slice too, must run it forward and backward. Autograd runs the nodes of one graph in
/// one order, and all ranks build the same graph, so the sums of all ranks meet.
/// </remarks>
public sealed class DifferentiableSum : SingleTensorFunction<DifferentiableSum>
{
    private const string ContextKey = "step";
    private static readonly long[] Flat = [-1];

    public override string Name => nameof(DifferentiableSum);

    /// <param name="local">This rank's part: any shape, the same on every rank.</param>
    /// <param name="step">The step, whose collective joins the ranks.</param>
    public static Tensor Of(Tensor local, StepContext step)
    {
        var sum = apply(local, step);
        GC.KeepAlive(local);
        return sum;
    }

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var step = (StepContext)vars[1];
        ctx.save_data(ContextKey, step);
        return FunctionTensors.Output(Sum((Tensor)vars[0], step));
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var step = (StepContext)ctx.get_data(ContextKey);
        try
        {
            return FunctionTensors.Gradients([Sum(grad_output, step), null!]);
        }
        catch (Exception e)
        {
            // Native code called this: the exception waits in the step until backward has returned.
            step.Fail(e);
            return FunctionTensors.Gradients([zeros(grad_output.shape, dtype: grad_output.dtype, device: grad_output.device), null!]);
        }
    }

    private static Tensor Sum(Tensor local, StepContext step)
    {
        var sum = local.detach().contiguous().clone();
        step.Collective.AllReduceSum(sum.view(Flat));
        return sum;
    }
}
