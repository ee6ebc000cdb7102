using System.Buffers.Binary;

namespace CnnCluster.Trainer.Data;

/// <summary>
/// Reads the IDX files of MNIST and the sets made after it, plain or gzip. The format is the one described on
/// LeCun's MNIST page: a big-endian magic number (two zero bytes, the element type, the number of dimensions),
/// the sizes as big-endian 32-bit numbers, then the elements.
/// </summary>
public static class IdxReader
{
    private const int ImageMagic = 0x00000803;
    private const int LabelMagic = 0x00000801;

    /// <summary>Reads images and the labels that belong to them: one input of one channel, one target.</summary>
    /// <exception cref="DataFileException">Either file is unusable, or they hold different numbers of items.</exception>
    public static SampleSet Read(string imagesPath, string labelsPath, int height, int width, int classes)
    {
        var pixels = ReadImages(imagesPath, height, width);
        var labels = ReadLabels(labelsPath, classes);
        var count = pixels.Length / (height * width);
        if (count != labels.Length)
        {
            throw new DataFileException(
                labelsPath, $"there are {labels.Length} labels for the {count} images of {imagesPath}", offset: 4);
        }

        return new SampleSet(
            count,
            [new Images(new SampleShape(1, height, width), pixels)],
            [new TargetValues.Classes(Array.ConvertAll(labels, static label => (long)label))]);
    }

    /// <summary>The pixels of an image file, N×H×W.</summary>
    /// <exception cref="DataFileException">The file is unusable, or its images are not of height × width pixels.</exception>
    public static byte[] ReadImages(string path, int height, int width)
    {
        using var content = IdxContent.Open(path);
        Span<int> sizes = stackalloc int[3];
        ReadHeader(content, ImageMagic, sizes);
        if (sizes[1] != height || sizes[2] != width)
        {
            throw new DataFileException(
                path, $"its images are {sizes[1]}x{sizes[2]} pixels, where {height}x{width} are expected", offset: 8);
        }

        return ReadItems(content, sizes[0], height * width, headerLength: 16, "images");
    }

    /// <summary>The labels of a label file, N class numbers below <paramref name="classes"/>.</summary>
    /// <exception cref="DataFileException">The file is unusable, or a label is no class number.</exception>
    public static byte[] ReadLabels(string path, int classes)
    {
        using var content = IdxContent.Open(path);
        Span<int> sizes = stackalloc int[1];
        ReadHeader(content, LabelMagic, sizes);
        var labels = ReadItems(content, sizes[0], itemSize: 1, headerLength: 8, "labels");
        var wrong = Array.FindIndex(labels, label => label >= classes);
        return wrong < 0
            ? labels
            : throw new DataFileException(
                path, $"label {labels[wrong]} is out of range: there are classes 0 to {classes - 1}", 8L + wrong, wrong);
    }

    private static void ReadHeader(IdxContent content, int magic, Span<int> sizes)
    {
        Span<byte> header = stackalloc byte[4 + (4 * sizes.Length)];
        var read = content.Read(header);
        if (read < 4) throw new DataFileException(content.Path, $"this is no IDX file: it ends after {read} bytes", 0);
        CheckMagic(content.Path, header, magic);
        if (read < header.Length)
        {
            throw new DataFileException(
                content.Path, $"the file is truncated: its header has {read} of {header.Length} bytes", read);
        }

        for (var i = 0; i < sizes.Length; i++)
        {
            var offset = 4 + (4 * i);
            sizes[i] = BinaryPrimitives.ReadInt32BigEndian(header[offset..]);
            if (sizes[i] > 0) continue;
            var size = i == 0 ? "number of items" : i == 1 ? "image height" : "image width";
            throw new DataFileException(
                content.Path, $"the {size} cannot be {BinaryPrimitives.ReadUInt32BigEndian(header[offset..])}", offset);
        }
    }

    private static void CheckMagic(string path, ReadOnlySpan<byte> header, int expected)
    {
        var magic = BinaryPrimitives.ReadInt32BigEndian(header);
        if (magic == expected) return;
        var wanted = expected == ImageMagic ? "IDX images" : "IDX labels";
        throw new DataFileException(path, $"{Describe(magic)}, where {wanted} (magic 0x{expected:x8}) are expected", 0);
    }

    private static string Describe(int magic)
    {
        var (type, dimensions) = ((magic >> 8) & 0xff, magic & 0xff);
        var typeName = type switch
        {
            0x08 => "unsigned bytes",
            0x09 => "signed bytes",
            0x0b => "16-bit integers",
            0x0c => "32-bit integers",
            0x0d => "32-bit floats",
            0x0e => "64-bit floats",
            _ => null,
        };
        return magic switch
        {
            ImageMagic => "these are IDX images",
            LabelMagic => "these are IDX labels",
            _ when magic >> 16 == 0 && typeName is not null => $"this is an IDX file of {typeName} in {dimensions} dimensions",
            _ => $"this is no IDX file: it begins with 0x{magic:x8}",
        };
    }

    private static byte[] ReadItems(IdxContent content, int count, int itemSize, int headerLength, string items)
    {
        var length = (long)count * itemSize;
        if (length > Array.MaxLength)
        {
            throw new DataFileException(
                content.Path, $"its header claims {count} {items}, {length} bytes: more than can be read", offset: 4);
        }

        var bytes = content.ReadUpTo((int)length);
        if (bytes.Length < length)
        {
            throw new DataFileException(
                content.Path,
                $"the file is truncated: it holds {bytes.Length / itemSize} whole {items} of the {count} its header claims",
                headerLength + bytes.Length,
                bytes.Length / itemSize);
        }

        return !content.HasMore()
            ? bytes
            : throw new DataFileException(
                content.Path, $"more bytes follow the last of the {count} {items}", headerLength + length);
    }
}
