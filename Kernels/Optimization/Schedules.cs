namespace CnnCluster.Kernels.Optimization;

/// <summary>
/// The learning-rate schedules that scripts can name; t counts steps from 0, T is the number of steps of the run, e that
/// of the epochs that are over. All can begin with a warm-up, which t and T leave out, and e does not.
/// </summary>
public static class Schedules
{
    private static readonly ScheduleDefinition Constant = new(
        "constant", "The same rate throughout.", "lr(t) = lr", [], static _ => static (initial, _) => initial);

    private static readonly ScheduleDefinition InverseTime = new(
        "inverse-time",
        "Decays with the number of updates, as the classic `decay` of SGD.",
        "lr(t) = lr / (1 + decay · t / steps)",
        [
            Setting.Real("decay", null, 0, double.MaxValue, "How fast it decays."),
            Setting.Real("steps", 1, 1, double.MaxValue, "Steps over which one `decay` is added."),
        ],
        static s => (initial, at) => initial / (1 + (s["decay"] * at.Step / s["steps"])));

    private static readonly ScheduleDefinition Exponential = new(
        "exponential",
        "Multiplies by a rate over and over.",
        "lr(t) = lr · rate^(t / steps)",
        [
            Setting.Real("rate", null, 0, 1, "The factor over `steps` steps."),
            Setting.Real("steps", null, 1, double.MaxValue, "Steps for one factor."),
        ],
        static s => (initial, at) => initial * Math.Pow(s["rate"], at.Step / s["steps"]));

    private static readonly ScheduleDefinition Step = new(
        "step",
        "Multiplies by a factor every so many epochs.",
        "lr(t) = lr · factor^⌊e / epochs⌋",
        [
            Setting.Whole("epochs", null, 1, int.MaxValue, "Epochs between two drops."),
            Setting.Real("factor", 0.1, 0, 1, "What a drop multiplies by."),
        ],
        static s => (initial, at) => initial * Math.Pow(s["factor"], Math.Floor(at.EpochsOver / s["epochs"])));

    private static readonly ScheduleDefinition MultiStep = new(
        "multi-step",
        "Multiplies by a factor after each of these epochs, as in `epochs=[30 60 80]`.",
        "lr(t) = lr · factor^n, n the number of `epochs` of at most e",
        [
            Setting.Ascending("epochs", 1, int.MaxValue, "Epochs after which the rate drops."),
            Setting.Real("factor", 0.1, 0, 1, "What a drop multiplies by."),
        ],
        static s =>
        {
            var (factor, epochs) = (s["factor"], s.List("epochs").ToArray());
            return (initial, at) =>
            {
                var drops = 0;
                while (drops < epochs.Length && epochs[drops] <= at.EpochsOver)
                {
                    drops++;
                }

                return initial * Math.Pow(factor, drops);
            };
        });

    private static readonly ScheduleDefinition Polynomial = new(
        "polynomial",
        "Falls to an end value along a power of the run's remaining share.",
        "lr(t) = (lr − end) · (1 − t/T)^power + end",
        [
            Setting.Real("end", 0.0001, 0, double.MaxValue, "The rate at the end."),
            Setting.Real("power", 1, 0, double.MaxValue, "1 is a straight line."),
        ],
        static s => (initial, at) => ((initial - s["end"]) * Math.Pow(1 - Share(at), s["power"])) + s["end"]);

    private static readonly ScheduleDefinition Cosine = new(
        "cosine",
        "Falls along half a cosine (Loshchilov, Hutter: SGDR, ICLR 2017).",
        "lr(t) = lr · (alpha + (1 − alpha) · (1 + cos(π·t/T)) / 2)",
        [Setting.Real("alpha", 0, 0, 1, "The share of the rate that is left at the end.")],
        static s => (initial, at) => initial * (s["alpha"] + ((1 - s["alpha"]) * (1 + Math.Cos(Math.PI * Share(at))) / 2)));

    /// <remarks>PyTorch's OneCycleLR with its defaults and words; momentum stays as it is.</remarks>
    private static readonly ScheduleDefinition OneCycle = new(
        "one-cycle",
        "Rises from lr/div-factor to lr, and falls far below where it began (Smith, Topin: Super-convergence, 2018): lr is the greatest rate.",
        "lr(t) goes from lr/div-factor to lr at t = pct-start·T − 1, and to lr/(div-factor·final-div-factor) at t = T − 1, each along half a cosine or, with `linear`, a line",
        [
            Setting.Real("pct-start", 0.3, 0, 1, "The share of the run in which the rate rises."),
            Setting.Real("div-factor", 25, 1, double.MaxValue, "What lr is divided by for the first rate."),
            Setting.Real("final-div-factor", 1e4, 1, double.MaxValue, "What the first rate is divided by for the last."),
            Setting.Flag("linear", "Rise and fall along lines."),
        ],
        static s =>
        {
            var linear = s.IsSet("linear");
            return (initial, at) =>
            {
                var (first, peak, end) = (initial / s["div-factor"], (s["pct-start"] * at.TotalSteps) - 1, at.TotalSteps - 1);
                return at.Step <= peak
                    ? Between(first, initial, peak > 0 ? at.Step / peak : 1)
                    : Between(initial, first / s["final-div-factor"], end > peak ? (at.Step - peak) / (end - peak) : 1);
            };

            double Between(double from, double to, double share)
            {
                share = Math.Clamp(share, 0, 1);
                return linear ? from + ((to - from) * share) : to + ((from - to) * (1 + Math.Cos(Math.PI * share)) / 2);
            }
        });

    /// <remarks>Which epochs are on a plateau is decided once for all workers, where their figures come together.</remarks>
    private static readonly ScheduleDefinition ReduceOnPlateau = new(
        "reduce-on-plateau",
        "Multiplies by a factor when a figure of the epochs has not improved for a while, as Keras' ReduceLROnPlateau.",
        "lr(t) = max(lr · factor^r, min(lr, min-lr)), r the reductions so far",
        [
            Setting.Real("factor", 0.1, 0, 1, "What a reduction multiplies by."),
            Setting.Whole("patience", 10, 0, 1e9, "Epochs without improvement after which to reduce; 0 does the same as 1."),
            Setting.Real("min-delta", 1e-4, 0, double.MaxValue, "A change counts as an improvement only if it is greater."),
            Setting.Whole("cooldown", 0, 0, 1e9, "Epochs after a reduction that do not count."),
            Setting.Real("min-lr", 0, 0, double.MaxValue, "The rate below which none is reduced."),
        ],
        static s => (initial, at) => Math.Max(initial * Math.Pow(s["factor"], at.Reductions), Math.Min(initial, s["min-lr"])))
    {
        FollowsFigure = true,
    };

    public static IReadOnlyList<ScheduleDefinition> All { get; } =
    [
        .. new[] { Constant, InverseTime, Exponential, Step, MultiStep, Polynomial, Cosine, OneCycle, ReduceOnPlateau }
            .Select(static schedule => schedule.WithWarmup()),
    ];

    /// <summary>How much of the run is over, from 0 to 1.</summary>
    private static double Share(SchedulePoint at) => Math.Clamp((double)at.Step / Math.Max(1, at.TotalSteps), 0, 1);
}
