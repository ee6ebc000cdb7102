using System.Diagnostics.CodeAnalysis;
using CnnCluster.Kernels.Tracing;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace CnnCluster.Kernels.Layers;

/// <summary>
/// Batch normalisation (Ioffe, Szegedy, ICML 2015) as a step of the network, with the ReLU behind it where asked for:
/// y = scale·(x − μ)/√(σ² + ε) + shift, channel by channel.
/// </summary>
/// <remarks>
/// Of a batch's statistics one reduction over all ranks joins the sums, and one those of the gradients: every rank, one
/// with an empty slice too, must run it forward and backward.
/// </remarks>
public sealed class BatchNorm : SingleTensorFunction<BatchNorm>
{
    private const string ContextKey = "call";

    public override string Name => nameof(BatchNorm);

    /// <param name="x">(N, C, sides…), float32 on the CPU; N may be 0.</param>
    /// <param name="scale">(C), or null for 1.</param>
    /// <param name="shift">(C), or null for 0.</param>
    /// <param name="call">Whose statistics, and what becomes of the running ones.</param>
    /// <exception cref="CollectiveException">A peer is gone or late.</exception>
    /// <exception cref="ArgumentException">The input has other channels than the statistics.</exception>
    public static Tensor Of(Tensor x, Tensor? scale, Tensor? shift, BatchNormCall call)
    {
        if (x.size(1) != call.Mean.numel())
        {
            throw new ArgumentException($"Statistics of {call.Mean.numel()} channels do not fit an input of {x.size(1)}.", nameof(x));
        }

        if (is_grad_enabled() && (x.requires_grad || scale is { requires_grad: true } || shift is { requires_grad: true }))
        {
            var y = apply(x, scale!, shift!, call);
            GC.KeepAlive(x);
            return y;
        }

        using var source = ChannelOrder.InOrder(x);
        using var table = NewTable(source);
        return Normalise(source, scale, shift, call, table);
    }

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var (x, call) = ((Tensor)vars[0], (BatchNormCall)vars[3]);
        var (scale, shift) = ((Tensor?)vars[1], (Tensor?)vars[2]);
        var source = ChannelOrder.InOrder(x);
        var table = NewTable(source);
        ctx.save_for_backward([source, table]);
        ctx.save_data(ContextKey, call.Pass(x.requires_grad, scale is not null, shift is not null));
        return FunctionTensors.Output(Normalise(source, scale, shift, call, table));
    }

    [SuppressMessage("Design", "CA1062", Justification = "TorchSharp calls this.")]
    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
    {
        var saved = (BatchNormPass)ctx.get_data(ContextKey);
        using var span = Trace.Span(saved.Layer, TraceCategory.Backward);
        var tensors = ctx.get_saved_variables();
        using var source = tensors[0];
        using var table = tensors[1];
        try
        {
            return FunctionTensors.Gradients(Gradients(saved, source, table, grad_output));
        }
        catch (Exception e)
        {
            // Native code called this: the exception waits in the step until backward has returned.
            saved.Call.Step.Fail(e);
            return FunctionTensors.Gradients(NoGradients(saved, source));
        }
    }

    private static unsafe List<Tensor> Gradients(BatchNormPass saved, Tensor source, Tensor table, Tensor outputGradient)
    {
        using var gradient = ChannelOrder.InOrderOf(source, outputGradient);
        using var sums = empty([2 * source.size(1)], dtype: ScalarType.Float64);
        SumGradients(source, gradient, saved.Call, table, sums);
        BatchGradients.Centre(TableOf(table), TensorMemory.Pointer<double>(sums));
        // The weights' gradients are this rank's part: they are reduced with all others, at the end of the step.
        var (scale, shift) = WeightGradients(saved, table, sums);
        if (saved.OfInput && saved.Call is { OfBatch: true, Synchronised: true })
        {
            saved.Call.Step.Collective.AllReduceSum(sums);
        }

        return [saved.OfInput ? InputGradient(source, gradient, saved.Call, table, sums) : null!, scale!, shift!, null!];
    }

    /// <summary>What autograd goes on with behind a failure: the step comes to nothing.</summary>
    private static List<Tensor> NoGradients(BatchNormPass saved, Tensor source)
    {
        var channels = source.size(1);
        return
        [
            saved.OfInput ? zeros_like(source) : null!,
            saved.HasScale ? zeros(channels, dtype: ScalarType.Float32) : null!,
            saved.HasShift ? zeros(channels, dtype: ScalarType.Float32) : null!,
            null!,
        ];
    }

    private static Tensor NewTable(Tensor x) => empty([ChannelTable.Rows, x.size(1)], dtype: ScalarType.Float32);

    private static unsafe ChannelTable TableOf(Tensor table) => new(TensorMemory.Pointer<float>(table), (int)table.size(1));

    private static unsafe Tensor Normalise(Tensor x, Tensor? scale, Tensor? shift, BatchNormCall call, Tensor table)
    {
        var numbers = TableOf(table);
        BatchStatistics.Fill(x, scale, shift, call, numbers);
        var y = empty_like(x);
        var order = ChannelOrder.Of(x);
        var source = ChannelOrder.Memory(x);
        var result = ChannelOrder.Memory(y);
        if (call.Rectified)
        {
            ChannelMap.Run<Normalised<Rectifier>>(order, source, source, result, numbers);
        }
        else
        {
            ChannelMap.Run<Normalised<Nothing>>(order, source, source, result, numbers);
        }

        return y;
    }

    private static unsafe void SumGradients(Tensor x, Tensor gradient, BatchNormCall call, Tensor table, Tensor sums)
    {
        var order = ChannelOrder.Of(x);
        var totals = TensorMemory.Pointer<double>(sums);
        if (call.Rectified)
        {
            ChannelSums.Run<GradientTerms<Rectifier>>(order, ChannelOrder.Memory(x), ChannelOrder.Memory(gradient), TableOf(table), totals);
        }
        else
        {
            ChannelSums.Run<GradientTerms<Nothing>>(order, ChannelOrder.Memory(x), ChannelOrder.Memory(gradient), TableOf(table), totals);
        }
    }

    private static unsafe (Tensor? Scale, Tensor? Shift) WeightGradients(BatchNormPass saved, Tensor table, Tensor sums)
    {
        var channels = table.size(1);
        var scale = saved.HasScale ? zeros([channels], dtype: ScalarType.Float32) : null;
        var shift = saved.HasShift ? zeros([channels], dtype: ScalarType.Float32) : null;
        BatchGradients.AddWeights(
            TableOf(table),
            TensorMemory.Pointer<double>(sums),
            scale is null ? null : TensorMemory.Pointer<float>(scale),
            shift is null ? null : TensorMemory.Pointer<float>(shift));
        return (scale, shift);
    }

    private static unsafe Tensor InputGradient(Tensor x, Tensor gradient, BatchNormCall call, Tensor table, Tensor sums)
    {
        var order = ChannelOrder.Of(x);
        var numbers = TableOf(table);
        BatchGradients.Share(numbers, TensorMemory.Pointer<double>(sums), call.OfBatch ? call.Count(x) : null);
        var result = empty_like(x);
        if (call.Rectified)
        {
            ChannelMap.Run<InputGradient<Rectifier>>(order, ChannelOrder.Memory(x), ChannelOrder.Memory(gradient), ChannelOrder.Memory(result), numbers);
        }
        else
        {
            ChannelMap.Run<InputGradient<Nothing>>(order, ChannelOrder.Memory(x), ChannelOrder.Memory(gradient), ChannelOrder.Memory(result), numbers);
        }

        return result;
    }
}
