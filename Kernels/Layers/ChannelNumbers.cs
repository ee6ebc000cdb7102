namespace CnnCluster.Kernels.Layers;

/// <summary>What a channel's elements are computed with, in lanes: of one channel, or of neighbouring channels.</summary>
internal readonly record struct ChannelNumbers<TLanes>(TLanes Mean, TLanes Factor, TLanes Shift, TLanes Slope, TLanes Offset);

/// <summary>Numbers of C channels, number by number, in memory that outlives the table.</summary>
internal readonly unsafe ref struct ChannelTable(float* memory, int channels)
{
    /// <summary>Rows of C numbers that the memory has room for.</summary>
    public const int Rows = 7;

    /// <summary>C.</summary>
    public int Channels => channels;

    public float* Mean => memory;

    public float* Factor => memory + channels;

    public float* Shift => memory + (2 * channels);

    public float* Slope => memory + (3 * channels);

    public float* Offset => memory + (4 * channels);

    /// <summary>1/√(σ² + ε).</summary>
    public float* Scatter => memory + (5 * channels);

    /// <summary>What rounding left out of <see cref="Mean"/>: μ = Mean + Rest.</summary>
    public float* Rest => memory + (6 * channels);

    /// <summary>Each channel's numbers so many times, for as many neighbours that are computed like channels.</summary>
    /// <param name="destination">Room for <see cref="Rows"/> rows of so many times C numbers.</param>
    /// <param name="times">How many times.</param>
    public ChannelTable Repeated(float* destination, int times)
    {
        for (var i = 0; i < Rows * channels; i++)
        {
            new Span<float>(destination + ((long)i * times), times).Fill(memory[i]);
        }

        return new ChannelTable(destination, channels * times);
    }

    /// <summary>One channel's numbers, in all lanes.</summary>
    public ChannelNumbers<TLanes> Same<TLanes>(int channel)
        where TLanes : struct, IFloatLanes<TLanes> =>
        new(TLanes.Fill(Mean[channel]), TLanes.Fill(Factor[channel]), TLanes.Fill(Shift[channel]), TLanes.Fill(Slope[channel]), TLanes.Fill(Offset[channel]));

    /// <summary>The numbers of neighbouring channels, one in each lane.</summary>
    public ChannelNumbers<TLanes> Each<TLanes>(int first)
        where TLanes : struct, IFloatLanes<TLanes> =>
        new(TLanes.Load(Mean + first), TLanes.Load(Factor + first), TLanes.Load(Shift + first), TLanes.Load(Slope + first), TLanes.Load(Offset + first));
}
