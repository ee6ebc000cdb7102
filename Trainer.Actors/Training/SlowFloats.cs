using CnnCluster.Dsl;

namespace CnnCluster.Trainer.Training;

/// <summary>What a run's user is told of 16 bits that make it slower (docs/adr/0012).</summary>
public static class SlowFloats
{
    private const string WithoutOwnKernels = "cnn's own kernels are float32's alone";

    /// <summary>A warning, or null where there is nothing to warn of.</summary>
    /// <param name="precision">The run's.</param>
    /// <param name="devices">What its workers compute on.</param>
    /// <param name="isBFloat16Fast">Whether this machine's processor has bfloat16.</param>
    public static string? Warning(Precision precision, IEnumerable<string> devices, bool isBFloat16Fast)
    {
        if (!devices.Contains("cpu")) return null;
        return precision switch
        {
            Precision.Float16 => $"libtorch computes float16 on a CPU some 40 times as slowly as float32, and {WithoutOwnKernels}; bfloat16 is fast where the processor has it",
            Precision.BFloat16 when !isBFloat16Fast => $"this processor has neither AVX512_BF16 nor AMX-BF16: libtorch computes bfloat16 more slowly than float32 there, and {WithoutOwnKernels}",
            _ => null,
        };
    }
}
