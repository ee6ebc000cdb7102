using CnnCluster.Dsl;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Images;

/// <summary>A network whose input and one of whose outputs are images.</summary>
/// <param name="plan">The network; its open sides are filled in with those of the image.</param>
/// <param name="outputName">The name of an output; null for the only one.</param>
/// <exception cref="UserException">It takes or gives no image, or it has several outputs and no name is given.</exception>
public sealed class ImageNetwork(NetworkPlan plan, string? outputName)
{
    private const double Gibibyte = 1 << 30;
    private readonly Shape input = InputOf(plan);
    private readonly int output = OutputOf(plan, outputName);

    public NetworkPlan Plan => plan;

    public int OutputChannels => OutputShape.Channels;

    private Shape OutputShape => plan.ShapeOf(plan.Outputs[output].Source);

    /// <summary>The image in the channels and the size that the network takes.</summary>
    /// <param name="image">Red, green and blue.</param>
    /// <param name="name">What errors call it.</param>
    /// <param name="resize">Whether another size than the network's is scaled to it, whatever becomes of its proportions.</param>
    /// <exception cref="UserException">The size is another, and it is not to be scaled.</exception>
    public PixelImage Fit(PixelImage image, string name, bool resize)
    {
        var (height, width) = (Side(input, 0), Side(input, 1));
        var fits = image.Height == height && image.Width == width;
        if (!fits && !resize)
        {
            throw new UserException(
                $"{name} is {image.Height}x{image.Width} (height x width), but the network '{plan.Name}' takes {ShapeModule.text(input)}: "
                + $"its input can be left open, as in ?x?x{input.Channels}, or the image scaled with --resize.");
        }

        var coloured = input.Channels == 1 ? image.Grey() : image;
        return fits ? coloured : ImageResizing.To(coloured, height, width);
    }

    /// <summary>Refuses an image that, scaled to the network's size, would need more memory than there is.</summary>
    /// <param name="image">Red, green and blue.</param>
    /// <param name="name">What errors call it.</param>
    /// <param name="memory">Bytes that there are.</param>
    /// <exception cref="UserException">It would need more.</exception>
    public void CheckScaling(PixelImage image, string name, long memory)
    {
        var (height, width) = (Side(input, 0), Side(input, 1));
        var values = ImageResizing.ValuesMade(image, input.Channels, height, width);
        if (values > Array.MaxLength || (double)values * sizeof(float) > memory)
        {
            throw new UserException(string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{name} is too large scaled to {ShapeModule.text(input)}, which the network '{plan.Name}' takes: that would take {values * sizeof(float) / Gibibyte:F1} GiB, and this machine has {memory / Gibibyte:F1} GiB."));
        }
    }

    /// <summary>Refuses an image for which the network would need more memory than there is.</summary>
    /// <param name="memory">Bytes that there are.</param>
    /// <exception cref="UserException">It would need more.</exception>
    public void CheckMemory(long memory)
    {
        var needed = Description.ofPlan(plan).Layers.Sum(static layer => (double)(layer.ActivationBytes ?? 0));
        if (needed > memory || OutputShape.Elements!.Value > Array.MaxLength)
        {
            throw new UserException(string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"The image is too large for the network '{plan.Name}': what its layers give would take {needed / Gibibyte:F1} GiB, and this machine has {memory / Gibibyte:F1} GiB."));
        }
    }

    /// <summary>What the network makes of an image, in inference.</summary>
    /// <param name="module">The plan's, with its weights.</param>
    /// <param name="image">As <see cref="Fit"/> gives it.</param>
    /// <param name="device">Where the module is.</param>
    /// <exception cref="UserException">A number of the output is not finite.</exception>
    public PixelImage Apply(NetworkModule module, PixelImage image, Device device)
    {
        using var scope = NewDisposeScope();
        using var gradless = no_grad();
        var batch = tensor(image.Values, [1, image.Channels, image.Height, image.Width], device: device);
        var result = module.Run([batch])[output].to(ScalarType.Float32, CPU).contiguous();
        var values = result.data<float>().ToArray();
        return Array.TrueForAll(values, float.IsFinite)
            ? new PixelImage((int)result.size(1), (int)result.size(2), (int)result.size(3), values)
            : throw new UserException($"The output of '{plan.Name}' is not finite: it holds infinities, or what is no number.");
    }

    /// <summary>None is open: the image's have filled them in.</summary>
    private static int Side(Shape shape, int axis) => shape.Sides[axis]!.Value;

    private static Shape InputOf(NetworkPlan plan)
    {
        if (plan.Inputs.Length != 1)
        {
            throw new UserException($"The network '{plan.Name}' has {plan.Inputs.Length} inputs; it can be applied to an image if it has one.");
        }

        var shape = plan.Inputs.Head.Shape;
        return shape.Rank == 2 && shape.Channels is 1 or 3
            ? shape
            : throw new UserException($"The network '{plan.Name}' takes {ShapeModule.text(shape)}; it can be applied to an image if its input is one of 1 channel, as ?x?x1, or of 3, as ?x?x3.");
    }

    private static int OutputOf(NetworkPlan plan, string? name)
    {
        var names = plan.Outputs.Select(static output => output.Name).ToList();
        var index = name is null && names.Count == 1 ? 0 : names.IndexOf(name ?? "");
        if (index < 0)
        {
            var what = name is null ? $"has {names.Count} outputs" : $"has no output '{name}'";
            throw new UserException($"The network '{plan.Name}' {what}: --output takes {string.Join(" or ", names)}.");
        }

        var shape = plan.ShapeOf(plan.Outputs[index].Source);
        return shape.Rank == 2
            ? index
            : throw new UserException($"The output '{names[index]}' of '{plan.Name}' is {ShapeModule.text(shape)}, which is no image: it has no height and width.");
    }
}
