using CnnCluster.Kernels.Arena;

namespace CnnCluster.Kernels.Optimization;

/// <summary>One step's operands.</summary>
/// <param name="Arena">Parameters and states, updated in place, and the reduced gradient, which is left as it is.</param>
/// <param name="Stretches">The whole arena, in order, and what becomes of the gradient in front of the rule.</param>
/// <param name="Step">The number of this update, from 1.</param>
/// <param name="LearningRate">The schedule's learning rate for this step.</param>
public readonly record struct UpdateOperands(
    ParameterArena Arena, ReadOnlyMemory<Stretch> Stretches, long Step, double LearningRate)
{
    /// <summary>Has the CPU take another path than its own, so that all can be compared anywhere.</summary>
    internal UpdatePath Path { get; init; }
}

/// <summary>How weights decay towards zero at each step.</summary>
/// <param name="Rate">w, at least 0.</param>
/// <param name="Coupled">
/// True: w·p is added to the gradient, so that the rule scales it, as PyTorch's weight_decay of all but AdamW.
/// False: p ← p − lr·w·p in front of the rule, as Keras' weight_decay and AdamW's (Loshchilov, Hutter, ICLR 2019).
/// </param>
public readonly record struct WeightDecay(double Rate, bool Coupled)
{
    public static Setting CoupledSetting { get; } =
        Setting.Flag("coupled", "Add the decay to the gradient, w·p, as PyTorch's weight_decay of all but AdamW does.");

    public static Setting RateSetting(double otherwise) =>
        Setting.Real("weight-decay", otherwise, 0, double.MaxValue, "w: each step begins with p ← p − lr·w·p.");

    /// <summary>The settings' values.</summary>
    public static WeightDecay Of(SettingValues values) => new(values["weight-decay"], values.IsSet("coupled"));
}

/// <summary>An optimizer: its update rule alone, applied to the whole arena in one pass.</summary>
public abstract class UpdateRule
{
    /// <summary>The names of the flat buffers the rule keeps, in order; all start at zero unless <see cref="InitialState"/> says otherwise.</summary>
    public abstract IReadOnlyList<string> StateNames { get; }

    /// <summary>The learning rate before any schedule.</summary>
    public abstract double LearningRate { get; }

    /// <summary>What the step does to the weights besides the rule.</summary>
    public WeightDecay Decay { get; init; }

    /// <summary>Whether the rule looks at each parameter as a whole: no stretch may then lie in two segments.</summary>
    public virtual bool IsLayerwise => false;

    /// <summary>The value a state buffer starts with.</summary>
    public virtual double InitialState(string state) => 0;

    public abstract void Apply(in UpdateOperands operands);
}

/// <summary>A catalogue entry: an optimizer as scripts name it.</summary>
/// <param name="Name">The word in scripts, such as <c>adam</c>.</param>
/// <param name="Summary">One sentence with the formula.</param>
/// <param name="Source">The paper it is from.</param>
/// <param name="Settings">Its settings with Keras 3's names (hyphenated) and defaults; <c>lr</c> comes first.</param>
/// <param name="Create">Makes the rule from checked values.</param>
/// <param name="Epsilon">Where ε stands; empty without one.</param>
/// <param name="PyTorch">Where PyTorch's rule differs, and its defaults, for those who come from there.</param>
public sealed record UpdateRuleDefinition(
    string Name,
    string Summary,
    string Source,
    IReadOnlyList<Setting> Settings,
    Func<SettingValues, UpdateRule> Create,
    string Epsilon,
    string PyTorch);
