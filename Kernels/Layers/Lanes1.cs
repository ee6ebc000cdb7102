namespace CnnCluster.Kernels.Layers;

/// <summary>One element.</summary>
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

    public void AddTo(double* sums) => *sums += Value;

    public void AddProductTo(Lanes1 other, double* sums) => *sums += (double)Value * other.Value;

    private float Value => BitConverter.UInt32BitsToSingle(bits);

    private static Lanes1 Mask(bool set) => FillBits(set ? uint.MaxValue : 0);
}
