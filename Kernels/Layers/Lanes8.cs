using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Layers;

/// <summary>256 bits of elements.</summary>
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

    public void AddTo(double* sums)
    {
        (Vector256.Load(sums) + Vector256.WidenLower(value)).Store(sums);
        (Vector256.Load(sums + Vector256<double>.Count) + Vector256.WidenUpper(value)).Store(sums + Vector256<double>.Count);
    }

    public void AddProductTo(Lanes8 other, double* sums)
    {
        (Vector256.Load(sums) + (Vector256.WidenLower(value) * Vector256.WidenLower(other.value))).Store(sums);
        (Vector256.Load(sums + Vector256<double>.Count) + (Vector256.WidenUpper(value) * Vector256.WidenUpper(other.value))).Store(sums + Vector256<double>.Count);
    }
}
