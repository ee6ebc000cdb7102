namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>
/// A vector register of float32 lanes. Kernels are written once over it and compiled for each width; every operation
/// works lane by lane and rounds once, so that a lane has the same bits in a register of any width.
/// </summary>
internal unsafe interface ILanes<TSelf>
    where TSelf : unmanaged, ILanes<TSelf>
{
    /// <summary>Lanes of the register; a block of <see cref="LaneLayout.Samples"/> is worked on in so many parts of it.</summary>
    static abstract int Count { get; }

    /// <summary>Whether the machine has 32 such registers rather than 16: how much of a tile they hold.</summary>
    static abstract bool ManyRegisters { get; }

    static abstract TSelf Zero { get; }

    static abstract TSelf Create(float value);

    static abstract TSelf Load(float* source);

    static abstract void Store(TSelf value, float* destination);

    static abstract TSelf Add(TSelf a, TSelf b);

    static abstract TSelf Subtract(TSelf a, TSelf b);

    static abstract TSelf Multiply(TSelf a, TSelf b);

    /// <summary>a·b is added to the sum, and rounded once. In place: of a result by value, the compiler makes a move more.</summary>
    static abstract void MultiplyAdd(TSelf a, TSelf b, ref TSelf sum);

    /// <summary>The greater of both, <paramref name="b"/> of two equal ones; what it is of a NaN is the machine's.</summary>
    static abstract TSelf Max(TSelf a, TSelf b);

    /// <summary>Where a = b, x; elsewhere, and where there is a NaN, y.</summary>
    static abstract TSelf SelectEqual(TSelf a, TSelf b, TSelf x, TSelf y);

    /// <summary>Where a ≤ b, x; elsewhere, and where there is a NaN, y.</summary>
    static abstract TSelf SelectLessOrEqual(TSelf a, TSelf b, TSelf x, TSelf y);

    /// <summary>Where a or b is a NaN, x; elsewhere y.</summary>
    static abstract TSelf SelectUnordered(TSelf a, TSelf b, TSelf x, TSelf y);

    /// <summary>The sum of the lanes, in an order of the width's own.</summary>
    static abstract float Sum(TSelf value);
}
