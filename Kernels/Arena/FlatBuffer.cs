using System.Runtime.CompilerServices;
using CnnCluster.Kernels.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Arena;

/// <summary>A named stretch of an arena, as long as its shape says.</summary>
/// <param name="Name">The parameter's or buffer's name, such as <c>conv1/kernel</c>.</param>
/// <param name="Shape">Its sides; no side means one element.</param>
/// <param name="L1">The factor λ of its regularization loss λ·Σ|P|; at least 0.</param>
/// <param name="L2">The factor λ of its regularization loss λ·ΣP²; at least 0.</param>
public sealed record ArenaSegment(string Name, IReadOnlyList<long> Shape, double L1 = 0, double L2 = 0)
{
    public long Length { get; } = Shape.Aggregate(1L, static (product, side) => checked(product * side));
}

/// <summary>One contiguous tensor and views into it, segment after segment, without padding.</summary>
public sealed class FlatBuffer : IDisposable
{
    // The memory's address, where it is this process's: 0 on other devices.
    private readonly nint address;
    private readonly long elementSize;

    /// <param name="segments">What lies in it, in order.</param>
    /// <param name="type">float32 or float64.</param>
    /// <param name="device">Where it lies.</param>
    /// <param name="extra">Further elements behind the segments.</param>
    /// <param name="movable">Whether a collective may move it into shared memory, where there is any: <see cref="Memory"/>.</param>
    public FlatBuffer(IReadOnlyList<ArenaSegment> segments, ScalarType type, Device device, long extra = 0, bool movable = false)
    {
        Segments = segments;
        Length = segments.Sum(static s => s.Length);
        Memory = movable && device.type == DeviceType.CPU && Length + extra > 0 ? MovableMemory.TryCreate(Length + extra, type) : null;
        Whole = Memory?.Tensor ?? zeros(Length + extra, dtype: type, device: device).DetachFromDisposeScope();
        Flat = Whole.narrow(0, 0, Length).DetachFromDisposeScope();
        Extras = Whole.narrow(0, Length, extra).DetachFromDisposeScope();
        var offset = 0L;
        var views = new List<Tensor>();
        foreach (var segment in segments)
        {
            using var stretch = Flat.narrow(0, offset, segment.Length);
            views.Add(stretch.view([.. segment.Shape]).DetachFromDisposeScope());
            offset += segment.Length;
        }

        Views = views;
        elementSize = Whole.ElementSize;
        address = Whole.device_type == DeviceType.CPU && Whole.numel() > 0 ? AddressOf(Whole) : 0;
    }

    public IReadOnlyList<ArenaSegment> Segments { get; }

    /// <summary>The segments' elements, without the extra ones.</summary>
    public long Length { get; }

    /// <summary>Segments and extra elements, one-dimensional.</summary>
    public Tensor Whole { get; }

    /// <summary>The memory of all of it, where it is movable.</summary>
    internal MovableMemory? Memory { get; }

    /// <summary>The segments, one-dimensional.</summary>
    public Tensor Flat { get; }

    /// <summary>The extra elements.</summary>
    public Tensor Extras { get; }

    /// <summary>One view for each segment, in its shape.</summary>
    public IReadOnlyList<Tensor> Views { get; }

    /// <summary>A stretch of the segments' elements where they lie, on the CPU; valid as long as the buffer lives.</summary>
    /// <remarks>Without a call into libtorch: a step asks for it many times.</remarks>
    internal Span<T> Elements<T>(long start, int length)
        where T : unmanaged
    {
        if (Unsafe.SizeOf<T>() != elementSize || start < 0 || length < 0 || start + length > Length || (address == 0 && Length > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(start), $"{length} elements of {typeof(T).Name} from {start} on: there are {Length} of {Whole.dtype} on {Whole.device}.");
        }

        unsafe
        {
            return new Span<T>((T*)address + start, length);
        }
    }

    /// <summary>Reads the extra elements, wherever they lie; on the CPU without a call into libtorch.</summary>
    /// <param name="destination">As long as there are extra elements.</param>
    public unsafe void ReadExtras(Span<double> destination)
    {
        if (destination.Length != Extras.numel()) throw new ArgumentException($"There are {Extras.numel()} extra elements, and room for {destination.Length}.", nameof(destination));
        using var host = address == 0 ? Extras.to(ScalarType.Float64, CPU) : null;
        if (host is not null)
        {
            TensorMemory.Span<double>(host).CopyTo(destination);
        }
        else if (elementSize == sizeof(double))
        {
            new ReadOnlySpan<double>((double*)address + Length, destination.Length).CopyTo(destination);
        }
        else
        {
            for (var i = 0; i < destination.Length; i++)
            {
                destination[i] = ((float*)address)[Length + i];
            }
        }
    }

    public void Dispose()
    {
        Memory?.Close();
        foreach (var view in Views)
        {
            view.Dispose();
        }

        Extras.Dispose();
        Flat.Dispose();
        Whole.Dispose();
    }

    private static unsafe nint AddressOf(Tensor whole) => (nint)TensorMemory.First(whole);
}
