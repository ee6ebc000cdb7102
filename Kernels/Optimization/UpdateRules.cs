namespace CnnCluster.Kernels.Optimization;

/// <summary>The optimizers that scripts can name.</summary>
public static class UpdateRules
{
    public static IReadOnlyList<UpdateRuleDefinition> All { get; } = [Sgd.Definition, Adam.Definition];
}
