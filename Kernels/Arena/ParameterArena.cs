using CnnCluster.Kernels.Optimization;
using static TorchSharp.torch;

namespace CnnCluster.Kernels.Arena;

/// <summary>
/// All trainable parameters in one flat buffer, their gradients in another, each optimizer state in one more, so that
/// averaging is one call, an update one loop and a checkpoint one write.
/// </summary>
public sealed class ParameterArena : IDisposable
{
    private readonly FlatBuffer parameters;
    private readonly FlatBuffer gradients;
    private readonly List<FlatBuffer> states;

    /// <param name="segments">The parameters, in declaration order.</param>
    /// <param name="rule">Says which states are kept, and what they start with.</param>
    /// <param name="type">float32 or float64.</param>
    /// <param name="device">Where everything lies.</param>
    /// <param name="extras">Elements behind the gradients that travel with them in one reduction.</param>
    public ParameterArena(IEnumerable<ArenaSegment> segments, UpdateRule rule, ScalarType type, Device device, int extras)
    {
        Segments = [.. segments];
        parameters = new FlatBuffer(Segments, type, device);
        gradients = new FlatBuffer(Segments, type, device, extras, movable: true);
        StateNames = rule.StateNames;
        states = [.. StateNames.Select(name => NewState(rule.InitialState(name), type, device))];
        States = [.. states.Select(static s => s.Flat)];
    }

    public IReadOnlyList<ArenaSegment> Segments { get; }

    public Tensor Parameters => parameters.Flat;

    public Tensor Gradients => gradients.Flat;

    /// <summary>Gradients and extras: what one all-reduce sums.</summary>
    public Tensor ReductionBuffer => gradients.Whole;

    public Tensor Extras => gradients.Extras;

    public IReadOnlyList<Tensor> ParameterViews => parameters.Views;

    public IReadOnlyList<Tensor> GradientViews => gradients.Views;

    public IReadOnlyList<string> StateNames { get; }

    /// <summary>One flat tensor for each of <see cref="StateNames"/>.</summary>
    public IReadOnlyList<Tensor> States { get; }

    /// <summary>One view for each parameter of each state, state by state.</summary>
    public IEnumerable<(string State, IReadOnlyList<Tensor> Views)> StateViews =>
        StateNames.Zip(states, static (name, state) => (name, state.Views));

    internal FlatBuffer ParameterBuffer => parameters;

    /// <summary>Gradients and extras, for a collective to move them where they need not be copied.</summary>
    public FlatBuffer GradientBuffer => gradients;

    internal IReadOnlyList<FlatBuffer> StateBuffers => states;

    /// <summary>Sets gradients and extras to zero.</summary>
    public void ZeroGradients() => ReductionBuffer.zero_();

    public void Dispose()
    {
        states.ForEach(static s => s.Dispose());
        gradients.Dispose();
        parameters.Dispose();
    }

    private FlatBuffer NewState(double initial, ScalarType type, Device device)
    {
        var state = new FlatBuffer(Segments, type, device);
        state.Flat.fill_(Scalars.Of(initial));
        return state;
    }
}
