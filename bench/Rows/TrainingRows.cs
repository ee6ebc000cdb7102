using System.Globalization;
using CnnCluster.Bench.Sides;

namespace CnnCluster.Bench.Rows;

/// <summary>Rows in which a network trains.</summary>
internal static class TrainingRows
{
    /// <summary>Images per second of training steps.</summary>
    public static Row Steps(string name, string title, string network, int batch, bool colour, IReadOnlyList<Goal> goals) => new()
    {
        Name = name,
        Title = title,
        Unit = "images/s",
        Sides = [Row.Cnn, Row.TorchSharp, Row.PyTorch],
        Goals = goals,
        IsLong = colour,
        Measure = (side, at) => RateOfSteps(network, side, batch, colour ? at.Colour : at.Grey, at.Seconds),
        PyTorchArguments = at => Arguments(
            network, at, batch, colour ? at.Colour : at.Grey, at.Seconds.ToString(CultureInfo.InvariantCulture)),
    };

    /// <summary>Images per second of training steps in exact mode, beside the same without it.</summary>
    public static Row Exact(string name, string title, string network, int batch, int shards, IReadOnlyList<Goal> goals) => new()
    {
        Name = name,
        Title = title,
        Unit = "images/s",
        Sides = [Row.Cnn, Row.Inexact],
        Goals = goals,
        Measure = (side, at) =>
        {
            using var loop = new CnnLoop(network, batch, SampleFiles.Read(at.Grey), side == Row.Cnn ? shards : null);
            return loop.RateOfSteps(new StepMeter(at.Seconds));
        },
    };

    /// <summary>Images per second of training steps by two workers, beside one, two that share nothing, and two of PyTorch's.</summary>
    public static Row Pair(string name, string title, string network, int batch, Means means, IReadOnlyList<Goal> goals) => new()
    {
        Name = name,
        Title = title,
        Unit = "images/s",
        Sides = [Row.Cnn, Row.OneWorker, Row.Apart, Row.PyTorch],
        Goals = goals,
        Measure = (side, at) => side switch
        {
            Row.OneWorker => RateOfSteps(network, Row.Cnn, batch, at.Grey, at.Seconds),
            Row.Apart => PairLoop.RateApart(means, network, batch / 2, at.Grey, at.Seconds),
            _ => PairLoop.RateOfSteps(means, network, batch, at.Grey, at.Seconds),
        },
        PyTorchArguments = at => ["pair", .. Arguments(network, at, batch, at.Grey, at.Seconds.ToString(CultureInfo.InvariantCulture))],
    };

    /// <summary>Images per second of an epoch with the validation behind it.</summary>
    public static Row Epoch(string name, string title, string network, int batch, IReadOnlyList<Goal> goals) => new()
    {
        Name = name,
        Title = title,
        Unit = "images/s",
        Sides = [Row.Cnn, Row.TorchSharp, Row.PyTorch],
        Goals = goals,
        IsLong = true,
        Measure = (side, at) => RateOfEpoch(network, side, batch, at.Grey),
        PyTorchArguments = at => Arguments(network, at, batch, at.Grey, "epoch"),
    };

    /// <summary>The share of the machine's arithmetic that training reaches.</summary>
    public static Row Roof(string name, string title, string network, int batch, IReadOnlyList<Goal> goals) => new()
    {
        Name = name,
        Title = title,
        Unit = "GFLOP/s",
        Sides = [Row.Cnn, "SGEMM"],
        Goals = goals,
        IsLong = true,
        Measure = (side, at) => side == Row.Cnn
            ? RateOfSteps(network, side, batch, at.Grey, at.Seconds) * Networks.TrainingFlop(network) / 1e9
            : Roofs.Sgemm(at.Seconds) / 1e9,
    };

    private static double RateOfSteps(string network, string side, int batch, string samples, double seconds)
    {
        var data = SampleFiles.Read(samples);
        var meter = new StepMeter(seconds);
        if (side == Row.Cnn)
        {
            using var own = new CnnLoop(network, batch, data);
            return own.RateOfSteps(meter);
        }

        using var peer = new TorchSharpLoop(network, batch, data.Train);
        return peer.RateOfSteps(meter);
    }

    private static double RateOfEpoch(string network, string side, int batch, string samples)
    {
        var data = SampleFiles.Read(samples);
        var warmUp = new StepMeter(double.PositiveInfinity);
        if (side == Row.Cnn)
        {
            using var own = new CnnLoop(network, batch, data);
            return own.RateOfEpoch(warmUp);
        }

        using var peer = new TorchSharpLoop(network, batch, data.Train);
        return peer.RateOfEpoch(warmUp, data.Validation);
    }

    private static IEnumerable<string> Arguments(string network, Conditions at, int batch, string samples, string span) =>
        [network, Text(at.Threads), Text(batch), samples, span];

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
