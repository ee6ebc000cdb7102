using System.Globalization;
using System.Text.Json;
using CnnCluster.Trainer.Images;

namespace CnnCluster.Cli.Output;

/// <summary>What became of an image, in a line or as JSON.</summary>
/// <param name="File">The image that was written.</param>
/// <param name="Output">The network's output.</param>
/// <param name="Rendering">How it was made an image.</param>
internal sealed record AppliedOutput(string File, PixelImage Output, Rendering Rendering)
{
    public string Line()
    {
        var cutOff = Rendering.CutOff == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", {Rendering.CutOff:P1} of it cut off (see --range)");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{File}: {Output.Height}x{Output.Width}x{Output.Channels}, from {Rendering.Least:G4} to {Rendering.Greatest:G4}{cutOff}");
    }

    public string Json() => JsonSerializer.Serialize(new
    {
        file = File,
        output = new[] { Output.Height, Output.Width, Output.Channels },
        minimum = Rendering.Least,
        maximum = Rendering.Greatest,
        cut_off = Rendering.CutOff,
    });
}
