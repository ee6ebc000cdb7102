using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Layers;

/// <summary>512 bits of elements.</summary>
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

    public void AddTo(double* sums)
    {
        (Vector512.Load(sums) + Vector512.WidenLower(value)).Store(sums);
        (Vector512.Load(sums + Vector512<double>.Count) + Vector512.WidenUpper(value)).Store(sums + Vector512<double>.Count);
    }

    public void AddProductTo(Lanes16 other, double* sums)
    {
        (Vector512.Load(sums) + (Vector512.WidenLower(value) * Vector512.WidenLower(other.value))).Store(sums);
        (Vector512.Load(sums + Vector512<double>.Count) + (Vector512.WidenUpper(value) * Vector512.WidenUpper(other.value))).Store(sums + Vector512<double>.Count);
    }
}
