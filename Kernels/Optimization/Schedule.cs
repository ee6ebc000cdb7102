namespace CnnCluster.Kernels.Optimization;

/// <summary>Where in a run a learning rate is asked for.</summary>
/// <param name="Step">Steps committed so far, from 0.</param>
/// <param name="StepsPerEpoch">At least 1.</param>
/// <param name="TotalSteps">Steps of the whole run, if it is not stopped early.</param>
public readonly record struct SchedulePoint(long Step, long StepsPerEpoch, long TotalSteps);

/// <summary>The learning rate at a point, from the optimizer's initial one.</summary>
public delegate double Schedule(double initial, SchedulePoint point);

/// <summary>A catalogue entry: a learning-rate schedule as scripts name it.</summary>
public sealed record ScheduleDefinition(
    string Name, string Summary, string Formula, IReadOnlyList<Setting> Settings, Func<SettingValues, Schedule> Create);
