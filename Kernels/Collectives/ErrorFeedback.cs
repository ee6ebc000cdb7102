using System.Numerics.Tensors;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// What rounding to 16 bits has left over, to be added to the next step's values: of this rank's summands, and of the
/// sums of its chunk. Without it small gradients would be lost step after step (Seide et al., Interspeech 2014; Karimireddy
/// et al., ICML 2019).
/// </summary>
/// <remarks>
/// A sum leaves its remainders behind provisionally: <see cref="Commit"/> makes them count when its step has been
/// applied, and a step that was skipped or given up is forgotten with the next sum.
/// </remarks>
public sealed class ErrorFeedback
{
    private float[] summands;
    private float[] nextSummands;
    private float[] sums;
    private float[] nextSums;

    /// <param name="format">What travels.</param>
    /// <param name="length">Elements of the buffer that is summed each step.</param>
    /// <param name="rounded">How many summands this rank rounds: all, or none where another of its host does.</param>
    /// <param name="chunk">How many sums it rounds.</param>
    internal ErrorFeedback(WireFormat format, int length, int rounded, int chunk)
    {
        Format = format;
        Length = length;
        (summands, nextSummands) = (new float[rounded], new float[rounded]);
        (sums, nextSums) = (new float[chunk], new float[chunk]);
    }

    public WireFormat Format { get; }

    public int Length { get; }

    /// <summary>The step of the last sum has been applied: its remainders go into the next one.</summary>
    public void Commit()
    {
        (summands, nextSummands) = (nextSummands, summands);
        (sums, nextSums) = (nextSums, sums);
    }

    /// <summary>Forgets all remainders: with a generation, which has other chunks, and with a checkpoint, which does not keep them.</summary>
    public void Reset()
    {
        Array.Clear(summands);
        Array.Clear(nextSummands);
        Array.Clear(sums);
        Array.Clear(nextSums);
    }

    /// <exception cref="ArgumentException">A buffer is not of the form these remainders are for.</exception>
    internal void Check(TorchSharp.torch.Tensor buffer)
    {
        if (buffer.dtype != TorchSharp.torch.ScalarType.Float32) throw new ArgumentException($"Only float32 is rounded to 16 bits; this buffer is {buffer.dtype}.", nameof(buffer));
        if (buffer.numel() != Length) throw new ArgumentException($"The remainders are of {Length} elements; the buffer has {buffer.numel()}.", nameof(buffer));
    }

    /// <summary>Rounds this rank's summands, with what was left over of the last ones.</summary>
    internal void RoundSummands(ReadOnlySpan<float> values, Span<ushort> rounded) => Round(values, summands, nextSummands, rounded);

    /// <summary>Rounds the sums of this rank's chunk likewise.</summary>
    internal void RoundSums(ReadOnlySpan<float> values, Span<ushort> rounded) => Round(values, sums, nextSums, rounded);

    /// <summary>r = round(v + e), and what is left over, v + e − r.</summary>
    private void Round(ReadOnlySpan<float> values, float[] left, float[] next, Span<ushort> rounded)
    {
        // Before they are rounded, the sums stand where their remainders will.
        TensorPrimitives.Add(values, left, next);
        Wire.Round(Format, next, rounded);
        Span<float> block = stackalloc float[1024];
        for (var start = 0; start < next.Length; start += block.Length)
        {
            var stretch = next.AsSpan(start, Math.Min(block.Length, next.Length - start));
            var expanded = block[..stretch.Length];
            Wire.Expand(Format, rounded.Slice(start, stretch.Length), expanded);
            TensorPrimitives.Subtract(stretch, expanded, stretch);
        }
    }
}
