using CnnCluster.Kernels.Collectives;
using CnnCluster.Kernels.Tracing;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>
/// Layers that follow one another, computed in blocks of 16 samples: each value is read by the next layer alone, so it
/// never leaves its layout. Forward and backward write into memory that is kept from step to step.
/// </summary>
/// <remarks>
/// Float32 on the CPU. A sample's output has the same bits whatever slice it is in, and whatever the machine's registers;
/// sums over samples are taken block by block, in an order that only the number of samples decides. One thread at a time.
/// </remarks>
internal sealed unsafe class LaneRun : IDisposable
{
    private readonly List<LaneLayout> layouts = [];
    private readonly List<LaneStage> stages = [];
    private readonly List<string> names = [];
    private readonly LaneLayout[] gradientLayouts;
    private readonly LaneMemory?[] gradients;

    /// <param name="input">The shape of one sample.</param>
    /// <param name="layers">At least one; each takes the one before it.</param>
    /// <param name="width">Of the registers; the widest that the machine has unless given.</param>
    public LaneRun(LaneShape input, IReadOnlyList<LaneLayer> layers, RegisterWidth? width = null)
    {
        var shape = input;
        layouts.Add(LayoutFor(shape, layers[0]));
        for (var i = 0; i < layers.Count; i++)
        {
            var (layer, from) = (layers[i], layouts[^1]);
            LaneLayout? sums = null;
            shape = OutputOf(shape, layer);
            if (IsNormalisedAt(layers, i))
            {
                sums = LayoutFor(shape, reader: null);
                shape = OutputOf(shape, layers[++i]);
            }

            layouts.Add(LayoutFor(shape, i + 1 < layers.Count ? layers[i + 1] : null));
            names.Add(layer.Path == layers[i].LastPath ? layer.Path : $"{layer.Path} to {layers[i].LastPath}");
            stages.Add(StageFor(layer, layers[i], from, sums, layouts[^1], width ?? RegisterWidths.Widest));
        }

        Output = shape;
        gradientLayouts = [.. layouts.Select(static layout => layout with { Halo = default })];
        gradients = new LaneMemory?[layouts.Count];
    }

    public LaneShape Output { get; }

    /// <summary>The layouts of the input and of each stage's output.</summary>
    public IReadOnlyList<LaneLayout> Layouts => layouts;

    /// <summary>Takes a slice in.</summary>
    /// <param name="slice">Keeps what is computed of it.</param>
    /// <param name="samples">N×C×H×W numbers.</param>
    /// <param name="count">N; may be 0.</param>
    public void Take(LaneValues slice, float* samples, long count)
    {
        slice.Reserve(layouts, stages, count);
        LaneTransposition.FromSamples(samples, count, layouts[0], slice.Value(0));
    }

    /// <summary>Computes the outputs of slices; without any samples, what they have to do with others' is still done.</summary>
    /// <param name="slices">At least one; more where each is a shard.</param>
    /// <param name="step">Joins the ranks.</param>
    /// <param name="shards">Joins shards, and the ranks; null of one slice.</param>
    public void Forward(ReadOnlySpan<LaneValues> slices, StepContext step, ShardSum? shards)
    {
        for (var i = 0; i < stages.Count; i++)
        {
            using var span = Trace.Span(names[i], TraceCategory.Layer);
            stages[i].Forward(new StagePasses(i, step, shards, slices));
        }
    }

    /// <summary>Writes a slice's output, N×O×H×W numbers.</summary>
    public void Give(LaneValues slice, float* output) =>
        LaneTransposition.ToSamples(slice.Value(stages.Count), layouts[^1], slice.Samples, output);

    /// <summary>Sees to memory for the gradients of slices that were computed together.</summary>
    public void BeginBackward(ReadOnlySpan<LaneValues> slices, bool needsInput)
    {
        var blocks = 0;
        foreach (var slice in slices)
        {
            slice.FirstBlock = blocks;
            blocks += slice.Blocks;
        }

        for (var i = needsInput ? 0 : 1; i < layouts.Count; i++)
        {
            gradients[i] = LaneMemory.AtLeast(gradients[i], (long)blocks * gradientLayouts[i].BlockSize);
        }
    }

    /// <summary>Takes the gradient of a slice's output in.</summary>
    public void TakeGradient(LaneValues slice, float* outputGradient) =>
        LaneTransposition.FromSamples(outputGradient, slice.Samples, gradientLayouts[^1], GradientOf(slice, stages.Count));

    /// <summary>Adds to the weights' gradients, and computes the inputs' where they are needed.</summary>
    /// <param name="slices">As in the forward pass.</param>
    /// <param name="step">Joins the ranks.</param>
    /// <param name="shards">As in the forward pass.</param>
    /// <param name="needsInput">Whether the inputs' gradients are.</param>
    public void Backward(ReadOnlySpan<LaneValues> slices, StepContext step, ShardSum? shards, bool needsInput)
    {
        for (var i = stages.Count - 1; i >= 0; i--)
        {
            using var span = Trace.Span(names[i], TraceCategory.Backward);
            stages[i].Backward(new StagePasses(i, step, shards, slices)
            {
                OutputGradients = gradients[i + 1]!.Pointer,
                OutputSize = gradientLayouts[i + 1].BlockSize,
                InputGradients = i > 0 || needsInput ? gradients[i]!.Pointer : null,
                InputSize = gradientLayouts[i].BlockSize,
            });
        }
    }

    /// <summary>Writes the gradient of a slice's input, N×C×H×W numbers.</summary>
    public void GiveGradient(LaneValues slice, float* inputGradient) =>
        LaneTransposition.ToSamples(GradientOf(slice, 0), gradientLayouts[0], slice.Samples, inputGradient);

    public void Dispose()
    {
        stages.ForEach(static s => s.Dispose());
        foreach (var gradient in gradients)
        {
            gradient?.Dispose();
        }
    }

    private float* GradientOf(LaneValues slice, int value) =>
        gradients[value]!.Pointer + ((long)slice.FirstBlock * gradientLayouts[value].BlockSize);

    private static LaneShape OutputOf(LaneShape input, LaneLayer layer)
    {
        switch (layer)
        {
            case LaneLayer.Convolution convolution:
                var sums = convolution.Geometry.OutputOf(new Axes(input.Height, input.Width));
                var filters = (int)convolution.Kernel.Value.size(0);
                return convolution.Ending.OutputOf(new LaneShape(filters, sums.Height, sums.Width));
            case LaneLayer.Dense dense:
                return new LaneShape((int)dense.Kernel.Value.size(0), 1, 1);
            case LaneLayer.Normalisation normalisation:
                return normalisation.Ending.OutputOf(input);
            default:
                throw new ArgumentOutOfRangeException(nameof(layer), layer, "No such layer.");
        }
    }

    /// <summary>A value has the halo that its reader needs.</summary>
    private static LaneLayout LayoutFor(LaneShape shape, LaneLayer? reader) => new(
        shape.Channels, shape.Height, shape.Width, reader is LaneLayer.Convolution convolution ? convolution.Geometry.Halo : default);

    /// <summary>Whether a layer is a convolution whose sums a normalisation reads at once: both are one stage.</summary>
    private static bool IsNormalisedAt(IReadOnlyList<LaneLayer> layers, int i) =>
        layers[i] is LaneLayer.Convolution { Ending: StageEnding.Linear } && i + 1 < layers.Count && layers[i + 1] is LaneLayer.Normalisation;

    /// <param name="first">The stage's layer, or the first of two.</param>
    /// <param name="last">The same, or the second.</param>
    /// <param name="input">The stage's input.</param>
    /// <param name="between">What is between two; null of one.</param>
    /// <param name="output">The stage's output.</param>
    /// <param name="width">Of the registers.</param>
    private static LaneStage StageFor(
        LaneLayer first, LaneLayer last, LaneLayout input, LaneLayout? between, LaneLayout output, RegisterWidth width) => width switch
        {
            RegisterWidth.Bits512 => StageFor<Lanes512, Lanes16>(first, last, input, between, output),
            RegisterWidth.Bits256 => StageFor<Lanes256, Lanes8>(first, last, input, between, output),
            RegisterWidth.Bits128 => StageFor<Lanes128, Lanes4>(first, last, input, between, output),
            _ => throw new ArgumentOutOfRangeException(nameof(width), width, "No such registers."),
        };

    private static LaneStage StageFor<T, TFloats>(LaneLayer first, LaneLayer last, LaneLayout input, LaneLayout? between, LaneLayout output)
        where T : unmanaged, ILanes<T>
        where TFloats : struct, IFloatLanes<TFloats> => (first, last) switch
        {
            (LaneLayer.Convolution c, LaneLayer.Normalisation n) when between is not null => new NormalisedConvolutionStage<T, TFloats>(c, n, input, between, output),
            (LaneLayer.Convolution c, _) => new ConvolutionStage<T>(c.Geometry, c.Kernel, c.Bias, c.Ending, input, output),
            (LaneLayer.Dense d, _) => new DenseStage<T>(d.Kernel, d.Bias, d.Relu, input, output),
            (LaneLayer.Normalisation n, _) => new NormalisationStage<TFloats>(n, input, output),
            _ => throw new ArgumentOutOfRangeException(nameof(first), first, "No such layer."),
        };
}
