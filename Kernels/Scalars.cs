using System.Collections.Concurrent;
using TorchSharp;

namespace CnnCluster.Kernels;

/// <summary>Numbers as operations on tensors take them, which live as long as the process.</summary>
/// <remarks>
/// An operator makes a scalar of a number by itself, and TorchSharp (0.107) hands its native part over without keeping it
/// alive: a garbage collection within the call frees it under libtorch. So those of a layer, a loss or a batch's size are
/// kept here. So are those of operations that take one without its being said: <c>x.add_(y)</c> multiplies y by 1, and makes that 1
/// a scalar; <c>x.add_(y, Scalars.Of(1))</c> does not. A number that changes with every step is not for this place: the table would grow.
/// </remarks>
public static class Scalars
{
    private static readonly ConcurrentDictionary<double, Scalar> Kept = new();

    /// <summary>The number as a scalar.</summary>
    public static Scalar Of(double value) => Kept.GetOrAdd(value, static number => number.ToScalar());
}
