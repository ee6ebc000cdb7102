namespace CnnCluster.Kernels.Layers;

/// <summary>What stands behind a normalisation: nothing, or a ReLU.</summary>
internal interface IFollower
{
    static abstract TLanes Output<TLanes>(TLanes value)
        where TLanes : struct, IFloatLanes<TLanes>;

    /// <summary>The bits where the gradient passes, and the others where it does not.</summary>
    static abstract TLanes Passing<TLanes>(TLanes value, TLanes passing, TLanes other)
        where TLanes : struct, IFloatLanes<TLanes>;

    /// <summary>The gradient in front of it, from its input and the gradient behind it.</summary>
    static abstract TLanes Gradient<TLanes>(TLanes value, TLanes gradient)
        where TLanes : struct, IFloatLanes<TLanes>;
}

internal readonly struct Nothing : IFollower
{
    public static TLanes Output<TLanes>(TLanes value)
        where TLanes : struct, IFloatLanes<TLanes> => value;

    public static TLanes Passing<TLanes>(TLanes value, TLanes passing, TLanes other)
        where TLanes : struct, IFloatLanes<TLanes> => passing;

    public static TLanes Gradient<TLanes>(TLanes value, TLanes gradient)
        where TLanes : struct, IFloatLanes<TLanes> => gradient;
}

/// <summary>max(0, x), and NaN of NaN; its gradient passes where the input is above 0 or NaN, as in libtorch.</summary>
internal readonly struct Rectifier : IFollower
{
    public static TLanes Output<TLanes>(TLanes value)
        where TLanes : struct, IFloatLanes<TLanes> => Gradient(value, value);

    public static TLanes Passing<TLanes>(TLanes value, TLanes passing, TLanes other)
        where TLanes : struct, IFloatLanes<TLanes> =>
        TLanes.Select(TLanes.GreaterOrNaN(value, TLanes.Fill(0)), passing, other);

    public static TLanes Gradient<TLanes>(TLanes value, TLanes gradient)
        where TLanes : struct, IFloatLanes<TLanes> => Passing(value, gradient, TLanes.Fill(0));
}

/// <summary>Σx and Σx².</summary>
internal readonly struct Moments : IChannelTerms
{
    public static (TLanes Term, TLanes Left, TLanes Right) Of<TLanes>(TLanes x, TLanes other, in ChannelNumbers<TLanes> channel)
        where TLanes : struct, IFloatLanes<TLanes> => (x, x, x);
}

/// <summary>z = factor·(x − μ) + shift, and what follows it.</summary>
internal readonly struct Normalised<TFollower> : IChannelMap
    where TFollower : IFollower
{
    public static TLanes Of<TLanes>(TLanes x, TLanes other, in ChannelNumbers<TLanes> channel)
        where TLanes : struct, IFloatLanes<TLanes> => TFollower.Output(Value(x, channel));

    /// <summary>z itself.</summary>
    public static TLanes Value<TLanes>(TLanes x, in ChannelNumbers<TLanes> channel)
        where TLanes : struct, IFloatLanes<TLanes> => ((x - channel.Mean) * channel.Factor) + channel.Shift;
}

/// <summary>Σ∂L/∂z and Σ∂L/∂z·(x − μ): the second operand is the gradient of the output.</summary>
internal readonly struct GradientTerms<TFollower> : IChannelTerms
    where TFollower : IFollower
{
    public static (TLanes Term, TLanes Left, TLanes Right) Of<TLanes>(TLanes x, TLanes other, in ChannelNumbers<TLanes> channel)
        where TLanes : struct, IFloatLanes<TLanes>
    {
        var gradient = TFollower.Gradient(Normalised<TFollower>.Value(x, channel), other);
        return (gradient, gradient, x - channel.Mean);
    }
}

/// <summary>∂L/∂x = factor·∂L/∂z − slope·(x − μ) − offset: the second operand is the gradient of the output.</summary>
internal readonly struct InputGradient<TFollower> : IChannelMap
    where TFollower : IFollower
{
    public static TLanes Of<TLanes>(TLanes x, TLanes other, in ChannelNumbers<TLanes> channel)
        where TLanes : struct, IFloatLanes<TLanes>
    {
        var gradient = TFollower.Gradient(Normalised<TFollower>.Value(x, channel), other);
        return (channel.Factor * gradient) - (((x - channel.Mean) * channel.Slope) + channel.Offset);
    }
}
