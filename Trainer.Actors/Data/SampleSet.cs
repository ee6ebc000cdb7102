using System.Runtime.InteropServices;
using System.Security.Cryptography;
using CnnCluster.Kernels;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Data;

/// <summary>Images in memory, one after the other.</summary>
/// <param name="Shape">Of each image.</param>
/// <param name="Pixels">N×C×H×W bytes, contiguous; 0 is black.</param>
public sealed record Images(SampleShape Shape, byte[] Pixels)
{
    /// <summary>A copy of some images that follow one another.</summary>
    public Images Range(int start, int count) =>
        this with { Pixels = Pixels.AsSpan(start * Shape.Size, count * Shape.Size).ToArray() };
}

/// <summary>What samples are compared with: a value, or a row of values, for each.</summary>
public abstract record TargetValues
{
    private TargetValues()
    {
    }

    /// <summary>The values of these samples, in this order.</summary>
    public abstract TargetValues Of(ReadOnlySpan<int> samples);

    /// <summary>Writes them: (N) int64 for classes, (N, width) float32 for numbers.</summary>
    public abstract void Gather(ReadOnlySpan<int> samples, Tensor destination);

    internal abstract void AppendTo(IncrementalHash hash);

    /// <summary>A class for each sample.</summary>
    /// <param name="Values">N numbers from 0.</param>
    public sealed record Classes(long[] Values) : TargetValues
    {
        public override TargetValues Of(ReadOnlySpan<int> samples)
        {
            var picked = new long[samples.Length];
            Gather(samples, picked);
            return new Classes(picked);
        }

        public override void Gather(ReadOnlySpan<int> samples, Tensor destination) =>
            Gather(samples, TensorMemory.Span<long>(destination));

        internal override void AppendTo(IncrementalHash hash) => hash.AppendData(MemoryMarshal.AsBytes<long>(Values));

        private void Gather(ReadOnlySpan<int> samples, Span<long> destination)
        {
            for (var i = 0; i < samples.Length; i++)
            {
                destination[i] = Values[samples[i]];
            }
        }
    }

    /// <summary>A row of numbers for each sample.</summary>
    /// <param name="Width">Numbers of a row.</param>
    /// <param name="Values">N×Width.</param>
    public sealed record Numbers(int Width, float[] Values) : TargetValues
    {
        public override TargetValues Of(ReadOnlySpan<int> samples)
        {
            var picked = new float[samples.Length * Width];
            Gather(samples, picked);
            return new Numbers(Width, picked);
        }

        public override void Gather(ReadOnlySpan<int> samples, Tensor destination) =>
            Gather(samples, TensorMemory.Span<float>(destination));

        internal override void AppendTo(IncrementalHash hash) => hash.AppendData(MemoryMarshal.AsBytes<float>(Values));

        private void Gather(ReadOnlySpan<int> samples, Span<float> destination)
        {
            for (var i = 0; i < samples.Length; i++)
            {
                Values.AsSpan(samples[i] * Width, Width).CopyTo(destination[(i * Width)..]);
            }
        }
    }
}

/// <summary>Samples in memory: for each, an image of every input and a value of every target.</summary>
/// <param name="Count">N.</param>
/// <param name="Inputs">N images each.</param>
/// <param name="Targets">Of N samples each, in the order of the data set's definition.</param>
public sealed record SampleSet(int Count, IReadOnlyList<Images> Inputs, IReadOnlyList<TargetValues> Targets)
{
    /// <summary>A copy of some samples that follow one another.</summary>
    public SampleSet Range(int start, int count)
    {
        var samples = Enumerable.Range(start, count).ToList();
        return new SampleSet(
            count,
            [.. Inputs.Select(images => images.Range(start, count))],
            [.. Targets.Select(values => values.Of(CollectionsMarshal.AsSpan(samples)))]);
    }

    /// <summary>The same samples with these of the inputs, in this order; nothing is copied.</summary>
    public SampleSet WithInputs(IEnumerable<int> sources) => this with { Inputs = [.. sources.Select(source => Inputs[source])] };

    internal void AppendTo(IncrementalHash hash)
    {
        Append([Count, Inputs.Count, Targets.Count]);
        foreach (var (shape, pixels) in Inputs)
        {
            Append([shape.Channels, shape.Height, shape.Width]);
            hash.AppendData(pixels);
        }

        foreach (var values in Targets)
        {
            values.AppendTo(hash);
        }

        void Append(ReadOnlySpan<int> numbers) => hash.AppendData(MemoryMarshal.AsBytes(numbers));
    }
}

/// <summary>What a run trains on and what it is measured on.</summary>
public sealed record DataSet(SampleSet Train, SampleSet Validation)
{
    /// <summary>SHA-256 over all samples, lower-case hexadecimal: equal for equal data, wherever it lies.</summary>
    public string Fingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Train.AppendTo(hash);
        Validation.AppendTo(hash);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
