namespace CnnCluster.Kernels.Layers;

/// <summary>
/// Neighbouring float32 elements that a layer kernel computes with at once: 16, 8, 4 or one of them. A kernel is written
/// once over lanes and run with the widest that the machine has and that still fit; no product is fused with a sum, so an
/// element has the same bits whichever it was computed with.
/// </summary>
/// <remarks>Comparisons give lanes of ones or zeros, which <see cref="Select"/> takes; bits also hold small integers.</remarks>
internal unsafe interface IFloatLanes<TSelf>
    where TSelf : struct, IFloatLanes<TSelf>
{
    static abstract int Count { get; }

    static abstract TSelf Fill(float value);

    static abstract TSelf FillBits(uint bits);

    static abstract TSelf Load(float* source);

    /// <summary>Twice as many elements: 0, 2, 4, … and 1, 3, 5, ….</summary>
    static abstract (TSelf Even, TSelf Odd) LoadInTurn(float* source);

    /// <summary>One byte to each lane's bits.</summary>
    static abstract TSelf LoadBytes(byte* source);

    static abstract TSelf operator +(TSelf a, TSelf b);

    static abstract TSelf operator -(TSelf a, TSelf b);

    static abstract TSelf operator *(TSelf a, TSelf b);

    /// <summary>Where a &gt; b or a is NaN.</summary>
    static abstract TSelf GreaterOrNaN(TSelf a, TSelf b);

    static abstract TSelf SameBits(TSelf a, TSelf b);

    /// <summary>The sums of the small integers.</summary>
    static abstract TSelf AddBits(TSelf a, TSelf b);

    static abstract TSelf Select(TSelf mask, TSelf ifSet, TSelf ifNot);

    void Store(float* destination);

    /// <summary>These elements and the others in turn: this, other, this, other, …</summary>
    void StoreInTurn(TSelf other, float* destination);

    /// <summary>The lowest byte of each lane's bits.</summary>
    void StoreBytes(byte* destination);

    /// <summary>Adds each element to the sum in its place.</summary>
    void AddTo(double* sums);

    /// <summary>Adds each element's product with the other's, which is exact in doubles, to the sum in its place.</summary>
    void AddProductTo(TSelf other, double* sums);
}
