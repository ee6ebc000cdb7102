using BenchmarkDotNet.Attributes;
using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Kernels.Collectives;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Kernels;

/// <summary>
/// Layers, forward and backward: as cnn's module runs them, kernels of its own included, beside libtorch's operators.
/// </summary>
public class LayerBench
{
    private NetworkTensors? tensors;
    private Tensor? input;
    private Tensor? outputGradient;
    private NetworkModule? own;
    private nn.Module<Tensor, Tensor>? libtorch;

    public static IEnumerable<LayerCase> Cases => LayerCases.All;

    [ParamsSource(nameof(Cases))]
    public LayerCase Case { get; set; } = LayerCases.All[0];

    [Params(32, 256)]
    public int Batch { get; set; }

    /// <summary>What computes cnn's side: chosen by shapes as in a run, libtorch alone, or lanes wherever they can.</summary>
    [Params(LayerKernels.Lanes, LayerKernels.Library, LayerKernels.LanesEverywhere)]
    public LayerKernels Kernels { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var script = $"network Case {{\n    input {Case.Input}\n    {Case.Layers}\n}}\n";
        var result = Script.Network(new Source("case.cnn", script), null, [], Catalogues.LayersOnly);
        var plan = result.Value ?? throw new InvalidOperationException(result.Text);
        own = new NetworkModule(plan, tensors = Allocate(plan), Kernels)
        {
            Step = new StepContext(1, new SoloCollective()) { Training = true, GlobalBatch = Batch },
        };
        own.Initialise(1);
        libtorch = Case.LibTorch();
        var sides = Case.Input.Split('x').Select(static side => long.Parse(side, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        input = rand([Batch, sides[2], sides[0], sides[1]]).DetachFromDisposeScope();
        input.requires_grad_(Case.NeedsInputGradient);
        using var gradless = no_grad();
        outputGradient = rand(libtorch.call(input).shape);
    }

    [Benchmark(Baseline = true)]
    public void LibTorch() => Run(libtorch!);

    [Benchmark]
    public void Cnn() => Run(own!);

    [GlobalCleanup]
    public void Cleanup()
    {
        own?.Dispose();
        libtorch?.Dispose();
        foreach (var tensor in tensors is null ? [] : tensors.Weights.Concat(tensors.Gradients).Concat(tensors.Buffers).Concat(tensors.NextBuffers))
        {
            tensor.Dispose();
        }

        input?.Dispose();
        outputGradient?.Dispose();
    }

    /// <summary>A replica's tensors without its arenas: gradients in memory that stays, as kernels of our own ask for.</summary>
    private static NetworkTensors Allocate(NetworkPlan plan) =>
        new(Zeros(plan.Weights), Zeros(plan.Weights), Zeros(plan.Buffers), Zeros(plan.Buffers));

    private static List<Tensor> Zeros(IEnumerable<NamedTensor> like) => [.. like.Select(static t => zeros([.. t.Shape]))];

    private void Run(nn.Module<Tensor, Tensor> module)
    {
        using var scope = NewDisposeScope();
        module.call(input!).backward([outputGradient!]);
    }
}
