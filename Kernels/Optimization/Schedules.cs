namespace CnnCluster.Kernels.Optimization;

/// <summary>The learning-rate schedules that scripts can name; t counts steps from 0, T is the number of steps of the run.</summary>
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
        "lr(t) = lr · factor^⌊e / epochs⌋, e the epochs that are over",
        [
            Setting.Whole("epochs", null, 1, int.MaxValue, "Epochs between two drops."),
            Setting.Real("factor", 0.1, 0, 1, "What a drop multiplies by."),
        ],
        static s => (initial, at) => initial * Math.Pow(s["factor"], Math.Floor((double)at.Step / at.StepsPerEpoch / s["epochs"])));

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
        "Falls along half a cosine (Loshchilov, Hutter: SGDR, ICLR 2017), after a linear warm-up.",
        "lr(t) = lr · (t + 1) / warmup for t < warmup; then lr · (alpha + (1 − alpha) · (1 + cos(π·u)) / 2), u = (t − warmup) / (T − warmup)",
        [
            Setting.Real("alpha", 0, 0, 1, "The share of the rate that is left at the end."),
            Setting.Whole("warmup", 0, 0, int.MaxValue, "Steps of linear warm-up in front."),
        ],
        static s => (initial, at) => at.Step < s["warmup"]
            ? initial * (at.Step + 1) / s["warmup"]
            : initial * (s["alpha"] + ((1 - s["alpha"]) * (1 + Math.Cos(Math.PI * ShareAfter(at, s["warmup"]))) / 2)));

    public static IReadOnlyList<ScheduleDefinition> All { get; } = [Constant, InverseTime, Exponential, Step, Polynomial, Cosine];

    /// <summary>How much of the run is over, from 0 to 1.</summary>
    private static double Share(SchedulePoint at) => ShareAfter(at, 0);

    private static double ShareAfter(SchedulePoint at, double warmup) =>
        Math.Clamp((at.Step - warmup) / Math.Max(1, at.TotalSteps - warmup), 0, 1);
}
