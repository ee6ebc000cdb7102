using System.Runtime.CompilerServices;
using CnnCluster.Kernels.Layers.Lanes;

namespace CnnCluster.Kernels.Layers.Winograd;

/// <summary>What a convolution's gradient goes through before the convolution: ReLU, and the sum that is the bias'.</summary>
internal static unsafe class OutputGradients
{
    /// <param name="width">Of the registers.</param>
    /// <param name="gradient">(N, pixels, K).</param>
    /// <param name="samples">N.</param>
    /// <param name="pixels">Of a sample.</param>
    /// <param name="filters">K, a multiple of 16.</param>
    /// <param name="outputs">What ReLU gave, likewise; null where there was none.</param>
    /// <param name="result">Written where ReLU passed: the gradient, elsewhere 0; null where there was none.</param>
    /// <param name="sums">(K), to which all are added, sample by sample; null where there is no bias.</param>
    public static void Run(RegisterWidth width, float* gradient, long samples, int pixels, int filters, float* outputs, float* result, float* sums)
    {
        switch (width)
        {
            case RegisterWidth.Bits512:
                Run<Lanes512>(gradient, samples, pixels, filters, outputs, result, sums);
                break;
            case RegisterWidth.Bits256:
                Run<Lanes256>(gradient, samples, pixels, filters, outputs, result, sums);
                break;
            default:
                Run<Lanes128>(gradient, samples, pixels, filters, outputs, result, sums);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<T>(float* gradient, long samples, int pixels, int filters, float* outputs, float* result, float* sums)
        where T : unmanaged, ILanes<T>
    {
        var size = (nint)pixels * filters;
        for (var sample = 0L; sample < samples; sample++)
        {
            for (nint k = 0; k < filters; k += T.Count)
            {
                var total = T.Zero;
                for (var at = ((nint)sample * size) + k; at < (((nint)sample + 1) * size); at += filters)
                {
                    var g = T.Load(gradient + at);
                    if (outputs is not null)
                    {
                        g = Pointwise.ReluGradient(T.Load(outputs + at), g);
                        T.Store(g, result + at);
                    }

                    total = T.Add(total, g);
                }

                if (sums is not null) T.Store(T.Add(total, T.Load(sums + k)), sums + k);
            }
        }
    }
}
