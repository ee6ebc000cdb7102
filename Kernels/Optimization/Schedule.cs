namespace CnnCluster.Kernels.Optimization;

/// <summary>Where in a run a learning rate is asked for.</summary>
/// <param name="Step">Steps committed so far, from 0.</param>
/// <param name="StepsPerEpoch">At least 1.</param>
/// <param name="TotalSteps">Steps of the whole run, if it is not stopped early.</param>
/// <param name="Reductions">How often the run was found to be on a plateau.</param>
public readonly record struct SchedulePoint(long Step, long StepsPerEpoch, long TotalSteps, int Reductions = 0)
{
    /// <summary>The epochs that are over.</summary>
    public long EpochsOver { get; init; } = Step / StepsPerEpoch;

    /// <summary>The same point of the run that begins so many steps later; its epochs are still the whole run's.</summary>
    internal SchedulePoint After(long steps) => this with { Step = Step - steps, TotalSteps = TotalSteps - steps };
}

/// <summary>The learning rate at a point, from the optimizer's initial one.</summary>
public delegate double Schedule(double initial, SchedulePoint point);

/// <summary>A catalogue entry: a learning-rate schedule as scripts name it.</summary>
public sealed record ScheduleDefinition(
    string Name, string Summary, string Formula, IReadOnlyList<Setting> Settings, Func<SettingValues, Schedule> Create)
{
    /// <summary>Whether it follows a figure of the epochs, and has the words `monitor` and `mode` besides its settings.</summary>
    public bool FollowsFigure { get; init; }

    /// <summary>The same behind a linear warm-up of as many steps as its last setting says.</summary>
    internal ScheduleDefinition WithWarmup() => this with
    {
        Settings = [.. Settings, Setting.Whole("warmup", 0, 0, int.MaxValue, "Steps of linear warm-up in front.")],
        Create = values =>
        {
            var (schedule, warmup) = (Create(values), (long)values["warmup"]);
            return (initial, at) => at.Step < warmup
                ? schedule(initial, new SchedulePoint(0, at.StepsPerEpoch, at.TotalSteps - warmup, at.Reductions)) * (at.Step + 1) / warmup
                : schedule(initial, at.After(warmup));
        },
    };
}
