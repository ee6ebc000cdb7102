using CnnCluster.Dsl;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Training;

/// <summary>What gradients may become between hosts, as users, messages and kernels say it.</summary>
public static class WireNames
{
    /// <summary>The words, <c>float32</c> being what gradients are.</summary>
    public static IReadOnlyList<string> All { get; } = ["float32", "bfloat16", "float16"];

    public static string Name(Wire wire) => All[(int)wire];

    /// <exception cref="UserException">There is no such word.</exception>
    public static Wire Parse(string name) =>
        All.ToList().IndexOf(name) is >= 0 and var wire
            ? (Wire)wire
            : throw new UserException($"--wire takes {string.Join(", ", All)}; '{name}' is none of them.");

    /// <summary>Null for what gradients are.</summary>
    public static WireFormat? Of(Wire wire) => wire switch
    {
        Wire.Bfloat16 => WireFormat.BFloat16,
        Wire.Float16 => WireFormat.Float16,
        _ => null,
    };

    /// <summary>Says what is wrong with a wire for a plan before any of the run starts.</summary>
    /// <exception cref="UserException">The plan's gradients may not be rounded.</exception>
    public static void Check(TrainPlan plan, Wire wire)
    {
        if (wire == Wire.Unchanged) return;
        if (plan.Shards is { } shards) throw new UserException($"exact shards={shards} has the same bits on every number of workers, which --wire {Name(wire)} would round otherwise on each: leave one of them out.");
        if (plan.Precision == Precision.Float64) throw new UserException($"--wire {Name(wire)} rounds float32 gradients, and the script's precision is float64: leave one of them out.");
    }
}
