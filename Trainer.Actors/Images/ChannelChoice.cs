using System.Globalization;

namespace CnnCluster.Trainer.Images;

/// <summary>Which channels of a network's output an image shows.</summary>
/// <param name="Only">One of them, from 0, in grey; null for all.</param>
/// <param name="SideBySide">Whether each is seen by itself; else one is grey, and three are red, green and blue.</param>
public sealed record ChannelChoice(int? Only, bool SideBySide)
{
    private const string All = "all";

    /// <summary>
    /// Reads a channel's number from 1, or <c>all</c> for each by itself. Without a choice one channel is grey, three
    /// are colours, and of any other number each is seen by itself.
    /// </summary>
    /// <param name="text">The choice, null for none.</param>
    /// <param name="channels">How many there are.</param>
    /// <exception cref="UserException">The text is neither, or there is no such channel.</exception>
    public static ChannelChoice Parse(string? text, int channels)
    {
        if (text is null or All)
        {
            return new ChannelChoice(null, text is All || channels is not (1 or 3));
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= channels
            ? new ChannelChoice(number - 1, SideBySide: false)
            : throw new UserException($"--channel takes a number from 1 to {channels}, the channels of the output, or all; it is '{text}'.");
    }

    /// <summary>The chosen channels as pixels; a range that is not said in numbers is that of all of them together.</summary>
    /// <exception cref="UserException">They make too large an image.</exception>
    public Rendering Render(PixelImage output, PixelRange range)
    {
        var shown = Only is { } channel ? output.Channel(channel) : output;
        var (bytes, cutOff) = range.Apply(shown.Values);
        var raster = SideBySide
            ? Raster.Sheet(shown.Channels, shown.Height, shown.Width, bytes)
            : Raster.Of(shown.Channels, shown.Height, shown.Width, bytes);
        return new Rendering(raster, shown.Values.Min(), shown.Values.Max(), cutOff / (double)bytes.Length);
    }
}

/// <summary>A network's output as it is written.</summary>
/// <param name="Raster">The image.</param>
/// <param name="Least">The least number that it shows.</param>
/// <param name="Greatest">The greatest.</param>
/// <param name="CutOff">The share of its numbers that lie beyond black or white.</param>
public sealed record Rendering(Raster Raster, float Least, float Greatest, double CutOff);
