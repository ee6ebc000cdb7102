using System.Diagnostics;
using CnnCluster.Kernels;
using CnnCluster.Trainer.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Sides;

/// <summary>
/// A training loop as a user of TorchSharp writes it by hand: the images lie in memory as float32, each step gathers its
/// batch by index, and a scope frees what the step made.
/// </summary>
internal sealed class TorchSharpLoop : IDisposable
{
    private readonly nn.Module<Tensor, Tensor> network;
    private readonly optim.Optimizer optimizer;
    private readonly nn.Module<Tensor, Tensor, Tensor> loss = nn.CrossEntropyLoss();
    private readonly int batch;
    private readonly Tensor images;
    private readonly Tensor labels;

    public TorchSharpLoop(string network, int batch, SampleSet samples)
    {
        this.batch = batch;
        random.manual_seed(1);
        this.network = TorchNetworks.Create(network);
        this.network.train();
        optimizer = optim.SGD(this.network.parameters(), 0.01, momentum: 0.9);
        (images, labels) = Tensors(samples);
    }

    /// <summary>Images per second of training steps.</summary>
    public double RateOfSteps(StepMeter meter)
    {
        while (!meter.IsDone)
        {
            Epoch(meter.Count, () => meter.IsDone);
        }

        return meter.Rate;
    }

    /// <summary>Images per second of one epoch of training and a validation.</summary>
    public double RateOfEpoch(StepMeter warmUp, SampleSet validation)
    {
        Epoch(warmUp.Count, () => warmUp.IsWarm);
        var (heldOut, truth) = Tensors(validation);
        var clock = Stopwatch.StartNew();
        Epoch(_ => { }, () => false);
        _ = Validate(heldOut, truth);
        return (images.shape[0] + heldOut.shape[0]) / clock.Elapsed.TotalSeconds;
    }

    public void Dispose()
    {
        images.Dispose();
        labels.Dispose();
        loss.Dispose();
        optimizer.Dispose();
        network.Dispose();
    }

    private void Epoch(Action<long> count, Func<bool> stop)
    {
        using var order = randperm(images.shape[0]);
        for (var first = 0L; first < order.shape[0] && !stop(); first += batch)
        {
            var size = Math.Min(batch, order.shape[0] - first);
            Step(order, first, size);
            count(size);
        }
    }

    private void Step(Tensor order, long first, long size)
    {
        using var scope = NewDisposeScope();
        var chosen = order.narrow(0, first, size);
        optimizer.zero_grad();
        loss.call(network.call(images.index_select(0, chosen)), labels.index_select(0, chosen)).backward();
        optimizer.step();
    }

    private (double Loss, double Accuracy) Validate(Tensor heldOut, Tensor truth)
    {
        network.eval();
        using var gradless = no_grad();
        var (sum, correct) = (0.0, 0L);
        for (var first = 0L; first < heldOut.shape[0]; first += batch)
        {
            using var scope = NewDisposeScope();
            var size = Math.Min(batch, heldOut.shape[0] - first);
            var logits = network.call(heldOut.narrow(0, first, size));
            var expected = truth.narrow(0, first, size);
            sum += nn.functional.cross_entropy(logits, expected, reduction: nn.Reduction.Sum).item<float>();
            correct += logits.argmax(1).eq(expected).sum().item<long>();
        }

        network.train();
        return (sum / heldOut.shape[0], (double)correct / heldOut.shape[0]);
    }

    private static (Tensor Images, Tensor Labels) Tensors(SampleSet samples)
    {
        var (shape, pixels) = samples.Inputs[0];
        using var bytes = tensor(pixels, dtype: ScalarType.Byte);
        using var floats = bytes.to(ScalarType.Float32);
        var labels = ((TargetValues.Classes)samples.Targets[0]).Values;
        return (
            floats.div(Scalars.Of(255)).reshape(samples.Count, shape.Channels, shape.Height, shape.Width),
            tensor(labels, dtype: ScalarType.Int64));
    }
}
