using System.Runtime.Intrinsics;

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
}

internal readonly unsafe struct Lanes16(Vector512<float> value) : IFloatLanes<Lanes16>
{
    private readonly Vector512<float> value = value;

    public static int Count => Vector512<float>.Count;

    public static Lanes16 Fill(float value) => new(Vector512.Create(value));

    public static Lanes16 FillBits(uint bits) => new(Vector512.Create(bits).AsSingle());

    public static Lanes16 Load(float* source) => new(Vector512.Load(source));

    public static (Lanes16 Even, Lanes16 Odd) LoadInTurn(float* source)
    {
        var (first, second) = (Vector512.Load((ulong*)source), Vector512.Load((ulong*)source + Vector512<ulong>.Count));
        return (new(Vector512.Narrow(first, second).AsSingle()), new(Vector512.Narrow(first >> 32, second >> 32).AsSingle()));
    }

    public static Lanes16 LoadBytes(byte* source)
    {
        var words = Vector256.WidenLower(Vector128.Load(source).ToVector256Unsafe());
        return new(Vector512.Create(Vector256.WidenLower(words), Vector256.WidenUpper(words)).AsSingle());
    }

    public static Lanes16 operator +(Lanes16 a, Lanes16 b) => new(a.value + b.value);

    public static Lanes16 operator -(Lanes16 a, Lanes16 b) => new(a.value - b.value);

    public static Lanes16 operator *(Lanes16 a, Lanes16 b) => new(a.value * b.value);

    public static Lanes16 GreaterOrNaN(Lanes16 a, Lanes16 b) =>
        new(Vector512.GreaterThan(a.value, b.value) | ~Vector512.Equals(a.value, a.value));

    public static Lanes16 SameBits(Lanes16 a, Lanes16 b) => new(Vector512.Equals(a.value.AsUInt32(), b.value.AsUInt32()).AsSingle());

    public static Lanes16 AddBits(Lanes16 a, Lanes16 b) => new((a.value.AsUInt32() + b.value.AsUInt32()).AsSingle());

    public static Lanes16 Select(Lanes16 mask, Lanes16 ifSet, Lanes16 ifNot) => new(Vector512.ConditionalSelect(mask.value, ifSet.value, ifNot.value));

    public void Store(float* destination) => value.Store(destination);

    public void StoreInTurn(Lanes16 other, float* destination)
    {
        var (own, others) = (value.AsUInt32(), other.value.AsUInt32());
        (Vector512.WidenLower(own) | (Vector512.WidenLower(others) << 32)).Store((ulong*)destination);
        (Vector512.WidenUpper(own) | (Vector512.WidenUpper(others) << 32)).Store((ulong*)destination + Vector512<ulong>.Count);
    }

    public void StoreBytes(byte* destination)
    {
        var words = Vector256.Narrow(value.AsUInt32().GetLower(), value.AsUInt32().GetUpper());
        Vector128.Narrow(words.GetLower(), words.GetUpper()).Store(destination);
    }
}

internal readonly unsafe struct Lanes8(Vector256<float> value) : IFloatLanes<Lanes8>
{
    private readonly Vector256<float> value = value;

    public static int Count => Vector256<float>.Count;

    public static Lanes8 Fill(float value) => new(Vector256.Create(value));

    public static Lanes8 FillBits(uint bits) => new(Vector256.Create(bits).AsSingle());

    public static Lanes8 Load(float* source) => new(Vector256.Load(source));

    public static (Lanes8 Even, Lanes8 Odd) LoadInTurn(float* source)
    {
        var (first, second) = (Vector256.Load((ulong*)source), Vector256.Load((ulong*)source + Vector256<ulong>.Count));
        return (new(Vector256.Narrow(first, second).AsSingle()), new(Vector256.Narrow(first >> 32, second >> 32).AsSingle()));
    }

    public static Lanes8 LoadBytes(byte* source)
    {
        var words = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)source).AsByte());
        return new(Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words)).AsSingle());
    }

    public static Lanes8 operator +(Lanes8 a, Lanes8 b) => new(a.value + b.value);

    public static Lanes8 operator -(Lanes8 a, Lanes8 b) => new(a.value - b.value);

    public static Lanes8 operator *(Lanes8 a, Lanes8 b) => new(a.value * b.value);

    public static Lanes8 GreaterOrNaN(Lanes8 a, Lanes8 b) =>
        new(Vector256.GreaterThan(a.value, b.value) | ~Vector256.Equals(a.value, a.value));

    public static Lanes8 SameBits(Lanes8 a, Lanes8 b) => new(Vector256.Equals(a.value.AsUInt32(), b.value.AsUInt32()).AsSingle());

    public static Lanes8 AddBits(Lanes8 a, Lanes8 b) => new((a.value.AsUInt32() + b.value.AsUInt32()).AsSingle());

    public static Lanes8 Select(Lanes8 mask, Lanes8 ifSet, Lanes8 ifNot) => new(Vector256.ConditionalSelect(mask.value, ifSet.value, ifNot.value));

    public void Store(float* destination) => value.Store(destination);

    public void StoreInTurn(Lanes8 other, float* destination)
    {
        var (own, others) = (value.AsUInt32(), other.value.AsUInt32());
        (Vector256.WidenLower(own) | (Vector256.WidenLower(others) << 32)).Store((ulong*)destination);
        (Vector256.WidenUpper(own) | (Vector256.WidenUpper(others) << 32)).Store((ulong*)destination + Vector256<ulong>.Count);
    }

    public void StoreBytes(byte* destination)
    {
        var words = Vector128.Narrow(value.AsUInt32().GetLower(), value.AsUInt32().GetUpper());
        *(ulong*)destination = Vector128.Narrow(words, words).AsUInt64().ToScalar();
    }
}

internal readonly unsafe struct Lanes4(Vector128<float> value) : IFloatLanes<Lanes4>
{
    private readonly Vector128<float> value = value;

    public static int Count => Vector128<float>.Count;

    public static Lanes4 Fill(float value) => new(Vector128.Create(value));

    public static Lanes4 FillBits(uint bits) => new(Vector128.Create(bits).AsSingle());

    public static Lanes4 Load(float* source) => new(Vector128.Load(source));

    public static (Lanes4 Even, Lanes4 Odd) LoadInTurn(float* source)
    {
        var (first, second) = (Vector128.Load((ulong*)source), Vector128.Load((ulong*)source + Vector128<ulong>.Count));
        return (new(Vector128.Narrow(first, second).AsSingle()), new(Vector128.Narrow(first >> 32, second >> 32).AsSingle()));
    }

    public static Lanes4 LoadBytes(byte* source) =>
        new(Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(uint*)source).AsByte())).AsSingle());

    public static Lanes4 operator +(Lanes4 a, Lanes4 b) => new(a.value + b.value);

    public static Lanes4 operator -(Lanes4 a, Lanes4 b) => new(a.value - b.value);

    public static Lanes4 operator *(Lanes4 a, Lanes4 b) => new(a.value * b.value);

    public static Lanes4 GreaterOrNaN(Lanes4 a, Lanes4 b) =>
        new(Vector128.GreaterThan(a.value, b.value) | ~Vector128.Equals(a.value, a.value));

    public static Lanes4 SameBits(Lanes4 a, Lanes4 b) => new(Vector128.Equals(a.value.AsUInt32(), b.value.AsUInt32()).AsSingle());

    public static Lanes4 AddBits(Lanes4 a, Lanes4 b) => new((a.value.AsUInt32() + b.value.AsUInt32()).AsSingle());

    public static Lanes4 Select(Lanes4 mask, Lanes4 ifSet, Lanes4 ifNot) => new(Vector128.ConditionalSelect(mask.value, ifSet.value, ifNot.value));

    public void Store(float* destination) => value.Store(destination);

    public void StoreInTurn(Lanes4 other, float* destination)
    {
        var (own, others) = (value.AsUInt32(), other.value.AsUInt32());
        (Vector128.WidenLower(own) | (Vector128.WidenLower(others) << 32)).Store((ulong*)destination);
        (Vector128.WidenUpper(own) | (Vector128.WidenUpper(others) << 32)).Store((ulong*)destination + Vector128<ulong>.Count);
    }

    public void StoreBytes(byte* destination)
    {
        var words = Vector128.Narrow(value.AsUInt32(), value.AsUInt32());
        *(uint*)destination = Vector128.Narrow(words, words).AsUInt32().ToScalar();
    }
}

internal readonly unsafe struct Lanes1 : IFloatLanes<Lanes1>
{
    // Not a float: a mask and a small integer are no numbers.
    private readonly uint bits;

    private Lanes1(uint bits) => this.bits = bits;

    private Lanes1(float value) => bits = BitConverter.SingleToUInt32Bits(value);

    public static int Count => 1;

    public static Lanes1 Fill(float value) => new(value);

    public static Lanes1 FillBits(uint bits) => new(bits);

    public static Lanes1 Load(float* source) => new(*source);

    public static (Lanes1 Even, Lanes1 Odd) LoadInTurn(float* source) => (new(source[0]), new(source[1]));

    public static Lanes1 LoadBytes(byte* source) => FillBits(*source);

    public static Lanes1 operator +(Lanes1 a, Lanes1 b) => new(a.Value + b.Value);

    public static Lanes1 operator -(Lanes1 a, Lanes1 b) => new(a.Value - b.Value);

    public static Lanes1 operator *(Lanes1 a, Lanes1 b) => new(a.Value * b.Value);

    public static Lanes1 GreaterOrNaN(Lanes1 a, Lanes1 b) => Mask(a.Value > b.Value || float.IsNaN(a.Value));

    public static Lanes1 SameBits(Lanes1 a, Lanes1 b) => Mask(a.bits == b.bits);

    public static Lanes1 AddBits(Lanes1 a, Lanes1 b) => new(a.bits + b.bits);

    public static Lanes1 Select(Lanes1 mask, Lanes1 ifSet, Lanes1 ifNot) => mask.bits != 0 ? ifSet : ifNot;

    public void Store(float* destination) => *destination = Value;

    public void StoreInTurn(Lanes1 other, float* destination) => (destination[0], destination[1]) = (Value, other.Value);

    public void StoreBytes(byte* destination) => *destination = (byte)bits;

    private float Value => BitConverter.UInt32BitsToSingle(bits);

    private static Lanes1 Mask(bool set) => FillBits(set ? uint.MaxValue : 0);
}
