using System.Runtime.CompilerServices;

namespace CnnCluster.Kernels.Layers.Lanes;

/// <summary>Normalisation of one channel of one block, its pixels of 16 lanes one behind the other: [P][16].</summary>
/// <remarks>No product is fused with a sum, so that a lane has the same bits in a register of any width.</remarks>
internal static unsafe class NormalisationPlane<TLanes>
    where TLanes : struct, IFloatLanes<TLanes>
{
    // Sums taken in turn: an addition need not wait for the one before.
    private const int Turns = 4;
    private const int OfTerms = Turns * LaneLayout.Samples;

    /// <summary>The window's pixel of a winner that ReLU cut: none of them.</summary>
    private const uint Nobody = 4;

    /// <summary>Partial sums of a plane: each lane's terms, in turn, and then its products.</summary>
    public const int SumsLength = 2 * OfTerms;

    /// <summary>The sum of the terms, or of the products, of the first lanes.</summary>
    public static double Total(double* partial, int lanes)
    {
        var total = 0.0;
        for (var lane = 0; lane < lanes; lane++)
        {
            var own = partial[lane];
            for (var turn = 1; turn < Turns; turn++)
            {
                own += partial[(turn * LaneLayout.Samples) + lane];
            }

            total += own;
        }

        return total;
    }

    /// <summary>Adds each pixel's term and product to its lane's sums.</summary>
    public static void AddUp<TTerms>(float* x, float* other, int pixels, in ChannelNumbers<TLanes> channel, double* partial)
        where TTerms : IChannelTerms
    {
        for (var pixel = 0; pixel < pixels; pixel++, x += LaneLayout.Samples, other += LaneLayout.Samples)
        {
            var sums = partial + (pixel % Turns * LaneLayout.Samples);
            for (var lane = 0; lane < LaneLayout.Samples; lane += TLanes.Count)
            {
                var (term, left, right) = TTerms.Of(TLanes.Load(x + lane), TLanes.Load(other + lane), channel);
                term.AddTo(sums + lane);
                left.AddProductTo(right, sums + OfTerms + lane);
            }
        }
    }

    /// <summary>The same for gradients behind pooling: ∂L/∂z is the window's gradient at its winner, and 0 elsewhere.</summary>
    /// <param name="winning">The winners' x, [P][16].</param>
    /// <param name="gradient">The windows' gradients, [P][16].</param>
    /// <param name="winners">[P][16].</param>
    /// <param name="count">P: windows.</param>
    /// <param name="channel">The channel's numbers.</param>
    /// <param name="partial">Added to.</param>
    public static void AddUpWinners(
        float* winning, float* gradient, byte* winners, int count, in ChannelNumbers<TLanes> channel, double* partial)
    {
        for (var window = 0; window < count; window++)
        {
            var sums = partial + (window % Turns * LaneLayout.Samples);
            for (var lane = 0; lane < LaneLayout.Samples; lane += TLanes.Count)
            {
                var place = (window * LaneLayout.Samples) + lane;
                var isCut = TLanes.SameBits(TLanes.LoadBytes(winners + place), TLanes.FillBits(Nobody));
                var passed = TLanes.Select(isCut, TLanes.Fill(0), TLanes.Load(gradient + place));
                passed.AddTo(sums + lane);
                passed.AddProductTo(TLanes.Load(winning + place) - channel.Mean, sums + OfTerms + lane);
            }
        }
    }

    public static void Normalise<TFollower>(float* x, in ChannelNumbers<TLanes> channel, float* y, OffsetTable outputs)
        where TFollower : IFollower
    {
        for (var pixel = 0; pixel < outputs.Count; pixel++, x += LaneLayout.Samples)
        {
            var to = y + outputs.Pointer[pixel];
            for (var lane = 0; lane < LaneLayout.Samples; lane += TLanes.Count)
            {
                var value = TLanes.Load(x + lane);
                Normalised<TFollower>.Of(value, value, channel).Store(to + lane);
            }
        }
    }

    /// <summary>Normalises, and keeps the greatest of each window: the first of several, or a NaN.</summary>
    /// <param name="x">[P][16].</param>
    /// <param name="windows">Of each window its four pixels.</param>
    /// <param name="channel">The channel's numbers.</param>
    /// <param name="y">Is written.</param>
    /// <param name="outputs">Where in y the windows lie.</param>
    /// <param name="winners">Written: 0 to 3, or 4 where ReLU cut; a byte a lane.</param>
    /// <param name="winning">Written: the winners' x.</param>
    public static void Pool<TFollower>(
        float* x, OffsetTable windows, in ChannelNumbers<TLanes> channel, float* y, OffsetTable outputs, byte* winners, float* winning)
        where TFollower : IFollower
    {
        var at = windows.Pointer;
        for (var window = 0; window < outputs.Count; window++, at += Tile.Columns)
        {
            for (var lane = 0; lane < LaneLayout.Samples; lane += TLanes.Count)
            {
                var from = TLanes.Load(x + at[0] + lane);
                var (best, winner) = (Normalised<TFollower>.Value(from, channel), TLanes.FillBits(0));
                for (var k = 1; k < Tile.Columns; k++)
                {
                    var challenger = TLanes.Load(x + at[k] + lane);
                    var value = Normalised<TFollower>.Value(challenger, channel);
                    var wins = TLanes.GreaterOrNaN(value, best);
                    best = TLanes.Select(wins, value, best);
                    from = TLanes.Select(wins, challenger, from);
                    winner = TLanes.Select(wins, TLanes.FillBits((uint)k), winner);
                }

                var place = (window * LaneLayout.Samples) + lane;
                TFollower.Output(best).Store(y + outputs.Pointer[window] + lane);
                TFollower.Passing(best, winner, TLanes.FillBits(Nobody)).StoreBytes(winners + place);
                from.Store(winning + place);
            }
        }
    }

    /// <summary>∂L/∂x behind a ReLU or nothing.</summary>
    public static void BackPropagate<TFollower>(float* x, float* gradient, int count, in ChannelNumbers<TLanes> channel, float* result)
        where TFollower : IFollower
    {
        for (var i = 0; i < count * LaneLayout.Samples; i += TLanes.Count)
        {
            InputGradient<TFollower>.Of(TLanes.Load(x + i), TLanes.Load(gradient + i), channel).Store(result + i);
        }
    }

    /// <summary>∂L/∂x of the windows' pixels behind pooling.</summary>
    public static void Unpool(
        float* x, OffsetTable windows, float* gradient, byte* winners, in ChannelNumbers<TLanes> channel, float* result)
    {
        for (var i = 0; i < windows.Count; i += Tile.Columns)
        {
            for (var lane = 0; lane < LaneLayout.Samples; lane += TLanes.Count)
            {
                var place = (i / Tile.Columns * LaneLayout.Samples) + lane;
                var (given, winner) = (TLanes.Load(gradient + place), TLanes.LoadBytes(winners + place));
                for (var k = 0; k < Tile.Columns; k++)
                {
                    var at = windows.Pointer[i + k] + lane;
                    var share = TLanes.Select(TLanes.SameBits(winner, TLanes.FillBits((uint)k)), given, TLanes.Fill(0));
                    InputGradient<Nothing>.Of(TLanes.Load(x + at), share, channel).Store(result + at);
                }
            }
        }
    }

    /// <summary>∂L/∂x of pixels that no window has: they have their part in the statistics.</summary>
    public static void WithoutGradient(float* x, OffsetTable rest, in ChannelNumbers<TLanes> channel, float* result)
    {
        for (var i = 0; i < rest.Count; i++)
        {
            for (var lane = 0; lane < LaneLayout.Samples; lane += TLanes.Count)
            {
                var at = rest.Pointer[i] + lane;
                InputGradient<Nothing>.Of(TLanes.Load(x + at), TLanes.Fill(0), channel).Store(result + at);
            }
        }
    }
}
