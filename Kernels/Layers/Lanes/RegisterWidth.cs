using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Bits of the registers that kernels use.</summary>
internal enum RegisterWidth
{
    Bits128 = 128,
    Bits256 = 256,
    Bits512 = 512,
}

internal static class RegisterWidths
{
    /// <summary>The widest that the machine has.</summary>
    public static RegisterWidth Widest =>
        Vector512.IsHardwareAccelerated ? RegisterWidth.Bits512
        : Vector256.IsHardwareAccelerated ? RegisterWidth.Bits256
        : RegisterWidth.Bits128;
}
