using System.Globalization;
using System.Security.Cryptography;

namespace CnnCluster.Bench.Scale.Measuring;

/// <summary>Measures operations between ranks of this machine, each a process of its own unless they are threads.</summary>
internal static class LinkMeasuring
{
    /// <param name="link">How the ranks are joined.</param>
    /// <param name="world">How many there are.</param>
    /// <param name="quick">Whether only to see that all runs.</param>
    /// <param name="certificates">The folder of a node's certificate.</param>
    public static IReadOnlyList<LinkPoint> Measure(LinkKind link, int world, bool quick, string certificates)
    {
        var ranks = new List<PartProcess>();
        try
        {
            for (var rank = 0; rank < (link == LinkKind.Threads ? 1 : world); rank++)
            {
                ranks.Add(new PartProcess(ScalePartCommand.Rank, link.ToString(), Text(rank), Text(world), quick.ToString(), certificates));
            }

            if (link != LinkKind.Threads) Introduce(ranks);
            var points = ScaleFigures.FromJson<IReadOnlyList<LinkPoint>>(ranks[0].ReadLine());
            ranks.ForEach(static rank => rank.WaitForExit());
            return points;
        }
        finally
        {
            ranks.ForEach(static rank => rank.Dispose());
        }
    }

    private static void Introduce(List<PartProcess> ranks)
    {
        var ports = ranks.ConvertAll(static rank => rank.ReadLine());
        var line = $"{Convert.ToHexString(RandomNumberGenerator.GetBytes(16))} {string.Join(' ', ports)}";
        ranks.ForEach(rank => rank.Tell(line));
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
