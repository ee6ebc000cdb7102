using System.Runtime.Intrinsics.X86;

namespace CnnCluster.Kernels;

/// <summary>Whether the processor multiplies bfloat16 numbers itself, as libtorch's fast products of them need.</summary>
/// <remarks>Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A, CPUID, leaf 7.</remarks>
public static class BFloat16Hardware
{
    private const int Features = 7;

    /// <summary>True where it has AVX512_BF16 or AMX-BF16, or is no x86 one, of which it cannot be asked.</summary>
    public static bool IsThere { get; } = !X86Base.IsSupported || IsInX86();

    /// <param name="edx">Of leaf 7, sub-leaf 0.</param>
    /// <param name="eax">Of leaf 7, sub-leaf 1.</param>
    internal static bool IsIn(int edx, int eax) => (edx & (1 << 22)) != 0 || (eax & (1 << 5)) != 0;

    private static bool IsInX86()
    {
        if (X86Base.CpuId(0, 0).Eax < Features) return false;
        var (leaves, _, _, edx) = X86Base.CpuId(Features, 0);
        return IsIn(edx, leaves >= 1 ? X86Base.CpuId(Features, 1).Eax : 0);
    }
}
