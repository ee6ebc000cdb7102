using System.Buffers.Binary;
using CnnCluster.Trainer.Data;

namespace CnnCluster.Bench.Sides;

/// <summary>Samples on disk as IDX files, so that every side trains on the same ones.</summary>
internal static class SampleFiles
{
    private const int Bytes = 8;
    private const string Train = "train";
    private const string Validation = "validation";

    public static void Write(string folder, DataSet data)
    {
        Directory.CreateDirectory(folder);
        Write(folder, Train, data.Train);
        Write(folder, Validation, data.Validation);
    }

    public static DataSet Read(string folder) => new(Read(folder, Train), Read(folder, Validation));

    /// <summary>Noise of a seed, with labels in turn: what trains costs the same whatever it learns.</summary>
    public static DataSet Noise(int train, int validation, SampleShape shape, int seed)
    {
        var random = new Random(seed);
        return new DataSet(Part(train), Part(validation));

        SampleSet Part(int count)
        {
            var pixels = new byte[count * shape.Size];
            random.NextBytes(pixels);
            var labels = Enumerable.Range(0, count).Select(static i => (long)(i % 10)).ToArray();
            return new SampleSet(count, [new Images(shape, pixels)], [new TargetValues.Classes(labels)]);
        }
    }

    private static void Write(string folder, string part, SampleSet set)
    {
        var (shape, pixels) = set.Inputs[0];
        var labels = ((TargetValues.Classes)set.Targets[0]).Values;
        WriteOne(ImagesOf(folder, part), [set.Count, shape.Channels, shape.Height, shape.Width], pixels);
        WriteOne(LabelsOf(folder, part), [set.Count], Array.ConvertAll(labels, static label => (byte)label));
    }

    private static void WriteOne(string path, ReadOnlySpan<int> sizes, byte[] data)
    {
        using var file = File.Create(path);
        file.Write([0, 0, Bytes, (byte)sizes.Length]);
        Span<byte> number = stackalloc byte[4];
        foreach (var size in sizes)
        {
            BinaryPrimitives.WriteInt32BigEndian(number, size);
            file.Write(number);
        }

        file.Write(data);
    }

    private static SampleSet Read(string folder, string part)
    {
        var (sizes, pixels) = ReadOne(ImagesOf(folder, part));
        var (_, labels) = ReadOne(LabelsOf(folder, part));
        return new SampleSet(
            sizes[0],
            [new Images(new SampleShape(sizes[1], sizes[2], sizes[3]), pixels)],
            [new TargetValues.Classes(Array.ConvertAll(labels, static label => (long)label))]);
    }

    private static (int[] Sizes, byte[] Data) ReadOne(string path)
    {
        using var file = File.OpenRead(path);
        Span<byte> head = stackalloc byte[4];
        file.ReadExactly(head);
        var sizes = new int[head[3]];
        foreach (ref var size in sizes.AsSpan())
        {
            file.ReadExactly(head);
            size = BinaryPrimitives.ReadInt32BigEndian(head);
        }

        var data = new byte[file.Length - file.Position];
        file.ReadExactly(data);
        return (sizes, data);
    }

    private static string ImagesOf(string folder, string part) => Path.Combine(folder, $"{part}-images.idx");

    private static string LabelsOf(string folder, string part) => Path.Combine(folder, $"{part}-labels.idx");
}
