using BenchmarkDotNet.Attributes;
using CnnCluster.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Bench.Kernels;

/// <summary>An operation on tensors that takes a number.</summary>
/// <param name="Name">As the table shows it.</param>
/// <param name="Kept">By <see cref="TensorMath"/> or <see cref="Scalars"/>, which keep the number.</param>
/// <param name="Made">With numbers that are made for this call.</param>
public sealed record ScalarCase(string Name, Func<Tensor, Tensor, Tensor> Kept, Func<Tensor, Tensor, Tensor> Made)
{
    public override string ToString() => Name;
}

/// <summary>What it saves to keep the numbers that libtorch reads; a further operation is a line here.</summary>
/// <remarks>
/// The baseline makes numbers and calls as TorchSharp's operators do, and holds them until the call is back. The operators
/// themselves do not, and so many calls of them would meet a garbage collection that ends the process.
/// </remarks>
public class ScalarBench
{
    private Tensor? a;
    private Tensor? b;

    public static IReadOnlyList<ScalarCase> Cases { get; } =
    [
        new("a + b", static (a, b) => a.Plus(b), MadeSum),
        new("a + 0.3", static (a, _) => a.Plus(0.3), MadeShift),
        new("a squared", static (a, _) => a.Squared(), MadeSquare),
        new("a * 0.3", static (a, _) => a * Scalars.Of(0.3), MadeProduct),
    ];

    [ParamsSource(nameof(Cases))]
    public ScalarCase Case { get; set; } = Cases[0];

    /// <summary>Of a loss over a batch, and of a layer's output.</summary>
    [Params(64, 65_536)]
    public int Elements { get; set; }

    [GlobalSetup]
    public void Setup() => (a, b) = (rand(Elements), rand(Elements));

    [Benchmark(Baseline = true)]
    public void Made() => Case.Made(a!, b!).Dispose();

    [Benchmark]
    public void Kept() => Case.Kept(a!, b!).Dispose();

    [GlobalCleanup]
    public void Cleanup()
    {
        a?.Dispose();
        b?.Dispose();
    }

    private static Tensor MadeSum(Tensor a, Tensor b)
    {
        using var one = 1.ToScalar();
        return a.add(b, one);
    }

    private static Tensor MadeShift(Tensor a, Tensor b)
    {
        using var number = 0.3.ToScalar();
        using var one = 1.ToScalar();
        return a.add(number, one);
    }

    private static Tensor MadeSquare(Tensor a, Tensor b)
    {
        using var two = 2.ToScalar();
        return a.pow(two);
    }

    private static Tensor MadeProduct(Tensor a, Tensor b)
    {
        using var number = 0.3.ToScalar();
        return a * number;
    }
}
