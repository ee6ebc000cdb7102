using System.CommandLine;
using CnnCluster.Cli.Output;
using CnnCluster.Dsl;
using CnnCluster.Kernels.Native;
using CnnCluster.Trainer;
using CnnCluster.Trainer.Images;
using CnnCluster.Trainer.Storage;
using CnnCluster.Trainer.Training;
using static TorchSharp.torch;

namespace CnnCluster.Cli.Commands;

/// <summary><c>cnn apply FILE IMAGE</c>: the output of a network as an image.</summary>
internal sealed class ApplyCommand
{
    private readonly Argument<string> subject = new("FILE") { Description = "A network script (.cnn), FILE:NAME for one of several networks, or a run's folder" };
    private readonly Argument<string> image = new("IMAGE") { Description = "A PNG, JPEG, WebP, BMP or GIF file" };
    private readonly Option<string?> destination = new("--out") { Description = "The PNG to write (default: IMAGE-NETWORK.png in this folder)", HelpName = "PNG" };
    private readonly Option<string?> output = new("--output") { Description = "Which of several outputs", HelpName = "NAME" };
    private readonly Option<string?> channel = new("--channel") { Description = "One channel of the output, from 1, in grey; all: every channel, beside each other (default: 1 channel as grey, 3 as colour, else all)", HelpName = "N|all" };
    private readonly Option<string> range = new("--range") { Description = "What becomes black and white: clip (0 and 1), abs (0 and 1, without signs), stretch (the least and the greatest), BLACK..WHITE", DefaultValueFactory = _ => "clip" };
    private readonly Option<bool> resize = new("--resize") { Description = "Scale the image to the size that the script fixes" };
    private readonly Option<string?> weights = new("--weights") { Description = "A safetensors file (default: a run's own, else the initial ones of --seed)", HelpName = "FILE" };
    private readonly Option<ulong> seed = new("--seed") { Description = "The seed of initial weights", DefaultValueFactory = _ => 42, HelpName = "N" };
    private readonly Option<string> device = new("--device") { Description = "Where to compute: cpu, cuda:0, …", DefaultValueFactory = _ => "cpu" };
    private readonly Option<bool> json = CommonOptions.Json();

    public static Command Create()
    {
        var apply = new ApplyCommand();
        var command = new Command("apply", "Show the output of a network as an image: fixed kernels, pooling, feature maps")
        {
            apply.subject, apply.image, apply.destination, apply.output, apply.channel, apply.range, apply.resize,
            apply.weights, apply.seed, apply.device, apply.json,
        };
        command.SetAction(apply.Run);
        return command;
    }

    private int Run(ParseResult parse)
    {
        var colours = PixelRange.Parse(parse.GetValue(range)!);
        var path = parse.GetValue(image)!;
        var run = Directory.Exists(parse.GetValue(subject)) ? RunFolder.Open(parse.GetValue(subject)!) : null;
        var script = Script(parse, run);
        var read = ImageFile.Read(path);
        var network = new ImageNetwork(Plan(script, read), parse.GetValue(output));
        var channels = ChannelChoice.Parse(parse.GetValue(channel), network.OutputChannels);
        var file = Destination(parse.GetValue(destination), path, network.Plan.Name);
        CheckMemory(network, read, path, parse);
        var result = Compute(network, network.Fit(read, path, parse.GetValue(resize)), parse, run);
        var rendering = channels.Render(result, colours);
        ImageFile.WritePng(file, rendering.Raster);
        var applied = new AppliedOutput(file, result, rendering);
        Console.WriteLine(parse.GetValue(json) ? applied.Json() : applied.Line());
        return ExitCode.Success;
    }

    private ScriptFile Script(ParseResult parse, RunFolder? run) => run is null
        ? ScriptFile.Read(parse.GetValue(subject)!)
        : new ScriptFile(new Source(run.Script, run.ReadScript()), run.ReadSettings().Network);

    /// <summary>The network for an image of this size.</summary>
    private static NetworkPlan Plan(ScriptFile script, PixelImage read) => ScriptFile.ValueOf(Dsl.Script.Network(
        script.Source, script.Part, [ShapeModule.image(read.Height, read.Width, read.Channels)], TrainingCatalogues.All, ScriptFile.Importer));

    /// <summary>Before anything large is made: images are scaled on this machine, wherever the network computes.</summary>
    private void CheckMemory(ImageNetwork network, PixelImage read, string path, ParseResult parse)
    {
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (parse.GetValue(resize))
        {
            network.CheckScaling(read, path, memory);
        }

        if (parse.GetValue(device) == "cpu")
        {
            network.CheckMemory(memory);
        }
    }

    private PixelImage Compute(ImageNetwork network, PixelImage input, ParseResult parse, RunFolder? run)
    {
        var name = parse.GetValue(device)!;
        TorchLibrary.EnsureLoaded();
        Devices.Check([name]);
        var place = new Device(name);
        using var module = NetworkModule.Create(network.Plan, parse.GetValue(seed), ScalarType.Float32, place);
        LoadWeights(module, parse, run);
        return network.Apply(module, input, place);
    }

    private void LoadWeights(NetworkModule module, ParseResult parse, RunFolder? run)
    {
        var file = parse.GetValue(weights) ?? (run is null ? null : RunWeights.Of(run));
        if (file is not null)
        {
            ReplicaState.LoadWeights(module, file);
        }
        else if (module.Plan.Trainable > 0)
        {
            Console.Error.WriteLine(FormattableString.Invariant(
                $"cnn: warning: '{module.Plan.Name}' has {module.Plan.Trainable:N0} untrained weights, the initial ones of seed {parse.GetValue(seed)}; --weights FILE gives it others"));
        }
    }

    private static string Destination(string? requested, string image, string network)
    {
        var file = requested ?? $"{Path.GetFileNameWithoutExtension(image)}-{network}.png";
        if (!Path.GetExtension(file).Equals(".png", StringComparison.OrdinalIgnoreCase))
        {
            throw new UserException($"--out {file}: images are written as PNG, so the name must end in .png.");
        }

        return Path.GetFullPath(file) != Path.GetFullPath(image)
            ? file
            : throw new UserException($"--out {file} is the image itself, which would be overwritten.");
    }
}
