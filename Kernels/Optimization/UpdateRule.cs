using static TorchSharp.torch;

namespace CnnCluster.Kernels.Optimization;

/// <summary>One step's operands. All tensors are flat, contiguous, of one length, type (float32 or float64) and device.</summary>
/// <param name="Parameters">Updated in place.</param>
/// <param name="Gradients">The reduced gradient, regularizers included, clipped.</param>
/// <param name="States">One tensor for each of <see cref="UpdateRule.StateNames"/>, updated in place.</param>
/// <param name="Step">The number of this update, from 1.</param>
/// <param name="LearningRate">The schedule's learning rate for this step.</param>
public readonly record struct UpdateOperands(
    Tensor Parameters, Tensor Gradients, IReadOnlyList<Tensor> States, long Step, double LearningRate)
{
    /// <summary>Has the CPU take the path of other devices, so that both can be compared anywhere.</summary>
    internal bool AsTensors { get; init; }
}

/// <summary>An optimizer: its update rule alone, applied to the whole arena in one pass.</summary>
public abstract class UpdateRule
{
    /// <summary>The names of the flat buffers the rule keeps, in order; all start at zero unless <see cref="InitialState"/> says otherwise.</summary>
    public abstract IReadOnlyList<string> StateNames { get; }

    /// <summary>The value a state buffer starts with.</summary>
    public virtual double InitialState(string state) => 0;

    /// <summary>The learning rate before any schedule.</summary>
    public abstract double LearningRate { get; }

    public abstract void Apply(in UpdateOperands operands);
}

/// <summary>A catalogue entry: an optimizer as scripts name it.</summary>
/// <param name="Name">The word in scripts, such as <c>adam</c>.</param>
/// <param name="Summary">One sentence with the formula.</param>
/// <param name="Source">The paper it is from.</param>
/// <param name="Settings">Its settings with Keras 3's names (hyphenated) and defaults; <c>lr</c> comes first.</param>
/// <param name="Create">Makes the rule from checked values.</param>
public sealed record UpdateRuleDefinition(
    string Name, string Summary, string Source, IReadOnlyList<Setting> Settings, Func<SettingValues, UpdateRule> Create);
