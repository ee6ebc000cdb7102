using System.Runtime.Intrinsics;

namespace CnnCluster.Kernels.Layers;

/// <summary>128 bits of elements.</summary>
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

    public void AddTo(double* sums)
    {
        (Vector128.Load(sums) + Vector128.WidenLower(value)).Store(sums);
        (Vector128.Load(sums + Vector128<double>.Count) + Vector128.WidenUpper(value)).Store(sums + Vector128<double>.Count);
    }

    public void AddProductTo(Lanes4 other, double* sums)
    {
        (Vector128.Load(sums) + (Vector128.WidenLower(value) * Vector128.WidenLower(other.value))).Store(sums);
        (Vector128.Load(sums + Vector128<double>.Count) + (Vector128.WidenUpper(value) * Vector128.WidenUpper(other.value))).Store(sums + Vector128<double>.Count);
    }
}
