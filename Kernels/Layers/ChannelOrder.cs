using static TorchSharp.torch;

namespace CnnCluster.Kernels.Layers;

/// <summary>Where a tensor's channels lie, (N, C, sides…) as its shape is.</summary>
/// <param name="Outer">Images whose channels follow each other: samples; in channels-last order, pixels.</param>
/// <param name="Channels">C.</param>
/// <param name="Inner">Neighbouring elements of one channel: pixels; in channels-last order, and in a vector, one.</param>
public readonly record struct ChannelOrder(int Outer, int Channels, int Inner)
{
    // The axes of an image as they are permuted: libtorch takes them as an array.
    private static readonly long[] LastOrder = [0, 2, 3, 1];
    private static readonly long[] UsualOrder = [0, 3, 1, 2];

    /// <summary>Planes that fill no lanes: whole samples are computed like rows of as many channels.</summary>
    internal bool HasSmallPlanes => Inner is > 1 and < 16;

    /// <summary>Each element of a sample as a channel of its own.</summary>
    internal ChannelOrder AsRows => new(Outer, Channels * Inner, 1);

    /// <summary>The order of a tensor whose elements lie in one of the two.</summary>
    internal static ChannelOrder Of(Tensor x)
    {
        var (samples, channels) = ((int)x.size(0), (int)x.size(1));
        var pixels = 1;
        for (var axis = 2; axis < x.dim(); axis++)
        {
            pixels *= (int)x.size(axis);
        }

        return IsChannelsLast(x) ? new ChannelOrder(checked(samples * pixels), channels, 1) : new ChannelOrder(samples, channels, pixels);
    }

    /// <summary>An image's channels lie side by side, and it is not the usual order too, as of a single channel or pixel.</summary>
    public static bool IsChannelsLast(Tensor x)
    {
        if (x.dim() != 4 || x.is_contiguous())
        {
            return false;
        }

        var channels = x.size(1);
        var row = channels * x.size(3);
        return x.stride(1) == 1 && x.stride(3) == channels && x.stride(2) == row && x.stride(0) == row * x.size(2);
    }

    /// <summary>An image's elements with the channels side by side, pixel after pixel: the same shape, in another order.</summary>
    /// <param name="x">(N, C, H, W).</param>
    public static Tensor ChannelsLast(Tensor x)
    {
        if (IsChannelsLast(x))
        {
            return x;
        }

        using var last = x.permute(LastOrder);
        using var copy = last.contiguous();
        return copy.permute(UsualOrder);
    }

    /// <summary>The tensor, or a copy of it in the usual order where it lies in neither; a handle of its own.</summary>
    internal static Tensor InOrder(Tensor x) => IsChannelsLast(x) ? x.alias() : x.contiguous();

    /// <summary>A new tensor with whatever numbers.</summary>
    /// <param name="shape">(N, C, sides…); two sides where the channels lie last.</param>
    /// <param name="isChannelsLast">Which order.</param>
    internal static Tensor Empty(ReadOnlySpan<long> shape, bool isChannelsLast)
    {
        if (!isChannelsLast)
        {
            return empty(shape, dtype: ScalarType.Float32);
        }

        using var last = empty([shape[0], shape[2], shape[3], shape[1]], dtype: ScalarType.Float32);
        return last.permute(UsualOrder);
    }

    /// <summary>The tensor, or a copy of it in the order of another of its shape; a handle of its own.</summary>
    internal static Tensor InOrderOf(Tensor other, Tensor x)
    {
        if (!IsChannelsLast(other))
        {
            return x.contiguous();
        }

        return IsChannelsLast(x) ? x.alias() : ChannelsLast(x);
    }

    /// <summary>Where the elements of a tensor in either order begin.</summary>
    internal static unsafe float* Memory(Tensor x)
    {
        if (!IsChannelsLast(x))
        {
            return TensorMemory.Pointer<float>(x);
        }

        using var last = x.permute(LastOrder);
        return TensorMemory.Pointer<float>(last);
    }
}
