namespace CnnCluster.Kernels.Optimization;

/// <summary>The optimizers that scripts can name.</summary>
public static class UpdateRules
{
    public static IReadOnlyList<UpdateRuleDefinition> All { get; } =
    [
        Sgd.Definition, Adagrad.Definition, Adadelta.Definition, RmsProp.Definition, Adam.Definition,
        Adam.WithDecoupledDecay, Nadam.Definition, Lion.Definition, Lamb.Definition,
    ];
}
