using System.Collections.Concurrent;
using System.Diagnostics;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Hosting;
using CnnCluster.Trainer.Metrics;

namespace CnnCluster.Trainer.Comparison;

/// <summary>
/// Trains every variant with every seed, as <c>cnn train</c> would. First weights, the order of samples, dropout and
/// augmentation are pure functions of the seed, so the variants begin with the same weights and see the same samples in
/// the same order, as far as their networks and settings are the same.
/// </summary>
/// <param name="folder">Keeps the cells; those that are finished there are not trained again.</param>
/// <param name="description">What is compared.</param>
/// <param name="samples">Its data.</param>
/// <param name="tell">Takes what happens, from several threads.</param>
public sealed class ComparisonRun(
    ComparisonFolder folder, ComparisonDescription description, ComparisonData samples, Action<ComparisonEvent> tell)
{
    /// <summary>The cells that are finished, in the comparison's order.</summary>
    public IReadOnlyList<CellResult> Finished() =>
        [.. description.Cells().Select(cell => folder.Result(cell.Variant, cell.Seed)).OfType<CellResult>()];

    /// <summary>Trains what is not finished; a cell that failed is tried again.</summary>
    /// <param name="parallel">How many cells at once, at least 1; it changes no figure but the time.</param>
    /// <param name="interrupt">Stops at the next step; cells that are not finished are trained anew by the next call.</param>
    /// <returns>Whether all cells were gone through.</returns>
    /// <exception cref="UserException">A cell cannot be begun.</exception>
    public async Task<bool> TrainAsync(int parallel, CancellationToken interrupt)
    {
        var cells = new ConcurrentQueue<(Variant Variant, ulong Seed)>(
            description.Cells().Where(cell => folder.Result(cell.Variant, cell.Seed) is null or { HasFailed: true }));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(interrupt);
        await Task.WhenAll(Enumerable.Range(0, parallel).Select(_ => TakeTurns(cells, stop)));
        return !interrupt.IsCancellationRequested;
    }

    private async Task TakeTurns(ConcurrentQueue<(Variant Variant, ulong Seed)> cells, CancellationTokenSource stop)
    {
        try
        {
            while (!stop.IsCancellationRequested && cells.TryDequeue(out var cell))
            {
                await TrainAsync(cell.Variant, cell.Seed, stop.Token);
            }
        }
        catch
        {
            await stop.CancelAsync();
            throw;
        }
    }

    private async Task TrainAsync(Variant variant, ulong seed, CancellationToken interrupt)
    {
        var request = Request(variant, seed);
        var run = folder.Begin(variant, seed);
        run.WriteScript(request.Training.Canonical);
        run.WriteSettings(RunDescriptions.Of(request, request.LoadData(samples.Cache), DateTimeOffset.Now));
        tell(new CellBegan(variant, seed, request.Plan.Epochs));
        var clock = Stopwatch.StartNew();
        using var reader = new CellReader(ended => tell(new CellEpochEnded(variant, seed, ended)));
        using var keeper = new RunKeeper(run, [reader]);
        var outcome = await TrainingRun.RunAsync(request, keeper, samples.Cache, static _ => { }, interrupt);
        if (outcome.Reason == StopReason.Interrupted)
        {
            return;
        }

        var result = Result(variant, seed, outcome, reader.Epochs, clock.Elapsed);
        folder.Finish(variant, result);
        tell(new CellFinished(variant, result));
    }

    private static CellResult Result(
        Variant variant, ulong seed, RunOutcome outcome, IReadOnlyList<EpochFigures> epochs, TimeSpan elapsed) => new()
        {
            Variant = variant.Name,
            Seed = seed,
            Reason = RunJson.NameOf(outcome.Reason),
            Message = outcome.Message,
            BestEpoch = outcome.Best.BestEpoch,
            Final = outcome.Final is { } final ? EpochFigures.Of(final) : null,
            WeightsSha256 = outcome.WeightsHash,
            Seconds = Math.Round(elapsed.TotalSeconds, 3),
            Epochs = epochs,
        };

    private RunRequest Request(Variant variant, ulong seed) => new()
    {
        Training = variant.WithSeed(seed),
        Layout = new RunLayout(description.Workers, 0, description.Devices, description.Threads),
        DataFolder = samples.Folder,
        StepLimit = description.StepLimit,
    };

    /// <summary>Collects a cell's epochs.</summary>
    private sealed class CellReader(Action<EpochEnded> tell) : IRunReader
    {
        private readonly List<EpochFigures> epochs = [];

        public IReadOnlyList<EpochFigures> Epochs => [.. epochs];

        public void Read(IRunEvent message)
        {
            if (message is EpochEnded ended)
            {
                epochs.Add(EpochFigures.Of(ended.Metrics));
                tell(ended);
            }
        }

        public void Dispose()
        {
        }
    }
}
