using static TorchSharp.torch;

namespace CnnCluster.Kernels;

/// <summary>Sums and squares of tensors whose unsaid numbers are kept: see <see cref="Scalars"/>.</summary>
/// <remarks>
/// <c>a + b</c> multiplies b by a 1 of its own making, and <c>x.square()</c> raises to a 2 of its own. These compute the same
/// bits, and a garbage collection takes nothing from under them. Differences, products and quotients of tensors make no number.
/// </remarks>
public static class TensorMath
{
    /// <summary>a + b, with broadcasting.</summary>
    public static Tensor Plus(this Tensor a, Tensor b) => a.add(b, Scalars.Of(1));

    /// <summary>x + number, element by element.</summary>
    public static Tensor Plus(this Tensor x, double number) => x.add(Scalars.Of(number), Scalars.Of(1));

    /// <summary>number − x, element by element.</summary>
    public static Tensor SubtractedFrom(this Tensor x, double number)
    {
        using var negative = -x;
        return negative.Plus(number);
    }

    /// <summary>x², element by element.</summary>
    public static Tensor Squared(this Tensor x) => x.pow(Scalars.Of(2));
}
