using System.Security.Cryptography;
using System.Text;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Which running kernel this process is under: memory that two processes map from one file is the same memory only under
/// one kernel. Two hosts may well see the same file, in a folder on a network, and the same address, through a tunnel.
/// </summary>
internal static class RunningKernel
{
    /// <summary>Linux makes this number anew whenever it starts; containers of one host see the same.</summary>
    private const string BootNumber = "/proc/sys/kernel/random/boot_id";

    /// <summary>32 bytes, the same for all processes under one kernel. Where the kernel has no number, it is the host's name.</summary>
    public static byte[] Identity { get; } = SHA256.HashData(Encoding.UTF8.GetBytes(
        File.Exists(BootNumber) ? File.ReadAllText(BootNumber) : Environment.MachineName));
}
