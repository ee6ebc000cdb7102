using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CnnCluster.Kernels.Arena;
using TorchSharp;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Optimization;

/// <summary>A rule's numbers for one step, in an order of the rule's own.</summary>
public readonly record struct Coefficients<TLane>(
    TLane A, TLane B = default!, TLane C = default!, TLane D = default!, TLane E = default!, TLane F = default!)
{
    internal Coefficients<TOther> To<TOther>(Func<TLane, TOther> convert) =>
        new(convert(A), convert(B), convert(C), convert(D), convert(E), convert(F));
}

/// <summary>A rule's arithmetic on one lane; states that the rule does not keep are left alone.</summary>
public interface IElementwiseRule
{
    /// <summary>How many of the states it keeps: 0 to 3.</summary>
    static abstract int States { get; }

    /// <summary>Whether it takes the gradient, and with it what the gradient meets and the weights' decay.</summary>
    static virtual bool TakesGradient => true;

    static abstract void Update<TLane>(
        ref TLane p, TLane g, ref TLane first, ref TLane second, ref TLane third, in Coefficients<TLane> k)
        where TLane : struct, ILane<TLane>;
}

/// <summary>How the elements are walked; tests compare the ways with each other.</summary>
internal enum UpdatePath
{
    /// <summary>By the widest vectors the machine has, or as tensors where the arena is not on the CPU.</summary>
    Fastest,
    Vector512,
    Vector256,
    Vector128,
    Scalar,
    Tensors,
}

/// <summary>Runs a rule over an arena: in place on its memory on the CPU, as tensor operations elsewhere.</summary>
public static class Elementwise
{
    private const int CacheLine = 64;
    private const int LinesAhead = 32;

    /// <param name="operands">The arena and its stretches.</param>
    /// <param name="k">The rule's numbers.</param>
    public static void Run<TRule>(in UpdateOperands operands, in Coefficients<double> k)
        where TRule : IElementwiseRule
    {
        var arena = operands.Arena;
        if (operands.Path == UpdatePath.Tensors || arena.Parameters.device_type != DeviceType.CPU)
        {
            ElementwiseTensors.Run<TRule>(operands, k);
        }
        else if (arena.Parameters.dtype == ScalarType.Float64)
        {
            RunMemory<TRule, double>(operands, k);
        }
        else
        {
            RunMemory<TRule, float>(operands, k);
        }
    }

    private static void RunMemory<TRule, T>(in UpdateOperands operands, in Coefficients<double> k)
        where TRule : IElementwiseRule
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        switch (operands.Path)
        {
            case UpdatePath.Vector512 or UpdatePath.Fastest when Vector512.IsHardwareAccelerated || operands.Path != UpdatePath.Fastest:
                RunStretches<TRule, T, Vector512Lane<T>>(operands, k);
                break;
            case UpdatePath.Vector256 or UpdatePath.Fastest when Vector256.IsHardwareAccelerated || operands.Path != UpdatePath.Fastest:
                RunStretches<TRule, T, Vector256Lane<T>>(operands, k);
                break;
            case UpdatePath.Scalar:
                RunStretches<TRule, T, ScalarLane<T>>(operands, k);
                break;
            default:
                RunStretches<TRule, T, Vector128Lane<T>>(operands, k);
                break;
        }
    }

    private static void RunStretches<TRule, T, TLane>(in UpdateOperands operands, in Coefficients<double> k)
        where TRule : IElementwiseRule
        where T : unmanaged, IFloatingPointIeee754<T>
        where TLane : struct, IMemoryLane<TLane, T>
    {
        foreach (ref readonly var stretch in operands.Stretches.Span)
        {
            var memory = new StretchMemory<T>(operands.Arena, stretch, TRule.States);
            if (TRule.TakesGradient && stretch.Adjustment != GradientAdjustment.None)
            {
                RunStretch<TRule, Adjusted, T, TLane>(memory, stretch.Adjustment, k);
            }
            else
            {
                RunStretch<TRule, AsItIs, T, TLane>(memory, stretch.Adjustment, k);
            }
        }
    }

    private static void RunStretch<TRule, TGradient, T, TLane>(
        in StretchMemory<T> memory, in GradientAdjustment adjustment, in Coefficients<double> k)
        where TRule : IElementwiseRule
        where TGradient : IGradientWay
        where T : unmanaged, IFloatingPointIeee754<T>
        where TLane : struct, IMemoryLane<TLane, T>
    {
        var whole = memory.Length - (memory.Length % TLane.Count);
        RunLanes<TRule, TGradient, T, TLane>(
            memory, 0, whole, new AdjustmentLanes<TLane>(adjustment, TLane.Broadcast), k.To(TLane.Broadcast));
        if (whole < memory.Length)
        {
            RunLanes<TRule, TGradient, T, ScalarLane<T>>(
                memory, whole, memory.Length,
                new AdjustmentLanes<ScalarLane<T>>(adjustment, ScalarLane<T>.Broadcast), k.To(ScalarLane<T>.Broadcast));
        }
    }

    /// <remarks>Compiled in full at once: it is one long loop, and the first steps would else run without vectors.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunLanes<TRule, TGradient, T, TLane>(
        in StretchMemory<T> memory, int from, int to, in AdjustmentLanes<TLane> adjustment, in Coefficients<TLane> k)
        where TRule : IElementwiseRule
        where TGradient : IGradientWay
        where T : unmanaged, IFloatingPointIeee754<T>
        where TLane : struct, IMemoryLane<TLane, T>
    {
        ref var parameters = ref MemoryMarshal.GetReference(memory.Parameters);
        ref var gradients = ref MemoryMarshal.GetReference(memory.Gradients);
        ref var first = ref MemoryMarshal.GetReference(memory.First);
        ref var second = ref MemoryMarshal.GetReference(memory.Second);
        ref var third = ref MemoryMarshal.GetReference(memory.Third);
        var numbers = k;
        for (var i = (nuint)from; i < (nuint)to; i += (nuint)TLane.Count)
        {
            if (memory.IsFar && TLane.Count * Unsafe.SizeOf<T>() == CacheLine)
            {
                var ahead = i + (nuint)(LinesAhead * TLane.Count);
                Fetch(ref parameters, ahead);
                if (TRule.TakesGradient) Fetch(ref gradients, ahead);
                if (TRule.States > 0) Fetch(ref first, ahead);
                if (TRule.States > 1) Fetch(ref second, ahead);
                if (TRule.States > 2) Fetch(ref third, ahead);
            }

            var p = TLane.Load(in parameters, i);
            var g = TRule.TakesGradient ? TGradient.Take(ref p, TLane.Load(in gradients, i), adjustment) : default;
            var a = TRule.States > 0 ? TLane.Load(in first, i) : default;
            var b = TRule.States > 1 ? TLane.Load(in second, i) : default;
            var c = TRule.States > 2 ? TLane.Load(in third, i) : default;
            TRule.Update(ref p, g, ref a, ref b, ref c, numbers);
            p.Store(ref parameters, i);
            if (TRule.States > 0) a.Store(ref first, i);
            if (TRule.States > 1) b.Store(ref second, i);
            if (TRule.States > 2) c.Store(ref third, i);
        }
    }

    /// <summary>Has the cache line of an element fetched; the element may lie behind the last one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Fetch<T>(ref T first, nuint offset)
        where T : unmanaged
    {
        if (Sse.IsSupported) Sse.Prefetch0((T*)Unsafe.AsPointer(ref first) + offset);
    }

    /// <summary>A gradient's way to its rule, chosen once for a stretch.</summary>
    private interface IGradientWay
    {
        static abstract TLane Take<TLane>(ref TLane p, TLane g, in AdjustmentLanes<TLane> adjustment)
            where TLane : struct, ILane<TLane>;
    }

    private readonly struct AsItIs : IGradientWay
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TLane Take<TLane>(ref TLane p, TLane g, in AdjustmentLanes<TLane> adjustment)
            where TLane : struct, ILane<TLane> => g;
    }

    private readonly struct Adjusted : IGradientWay
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TLane Take<TLane>(ref TLane p, TLane g, in AdjustmentLanes<TLane> adjustment)
            where TLane : struct, ILane<TLane> => adjustment.Apply(ref p, g);
    }
}

/// <summary>Where a stretch's elements lie; a state's span is empty where the rule keeps fewer states.</summary>
internal readonly ref struct StretchMemory<T>(ParameterArena arena, in Stretch stretch, int states)
    where T : unmanaged
{
    private const long LongestNear = 1 << 20;

    public int Length { get; } = stretch.Length;

    /// <summary>Whether the arena is too large for the caches of a core, so that its lines are worth fetching ahead.</summary>
    public bool IsFar { get; } = arena.ParameterBuffer.Length > LongestNear;

    public Span<T> Parameters { get; } = arena.ParameterBuffer.Elements<T>(stretch.Start, stretch.Length);

    public Span<T> Gradients { get; } = arena.GradientBuffer.Elements<T>(stretch.Start, stretch.Length);

    public Span<T> First { get; } = State(arena, stretch, states, 0);

    public Span<T> Second { get; } = State(arena, stretch, states, 1);

    public Span<T> Third { get; } = State(arena, stretch, states, 2);

    private static Span<T> State(ParameterArena arena, in Stretch stretch, int states, int place) =>
        place < states ? arena.StateBuffers[place].Elements<T>(stretch.Start, stretch.Length) : [];
}
