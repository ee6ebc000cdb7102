using System.Runtime.InteropServices;
using System.Security.Cryptography;
using CnnCluster.Dsl;
using CnnCluster.Kernels;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Storage;
using Google.Protobuf;
using TorchSharp;
using static TorchSharp.torch;
using FlatTensor = (CnnCluster.Trainer.Storage.TensorEntry Entry, System.ReadOnlyMemory<byte> Data);
using Position = CnnCluster.Trainer.Protocol.Position;

namespace CnnCluster.Trainer.Training;

/// <summary>A replica's state as safetensors files keep it, and back.</summary>
/// <remarks>
/// Weights and buffers go by their paths (<c>conv1/kernel</c>), optimizer states by <c>optimizer/STATE/PATH</c>, and
/// where the run stands by <c>run/step</c> and the metadata entry <c>position</c>, a JSON object.
/// </remarks>
public static class ReplicaState
{
    public const string OptimizerPrefix = "optimizer/";
    public const string StepName = "run/step";
    public const string PositionKey = "position";

    // A span of bytes ends at 2 GiB.
    private const int HashedAtOnce = 1 << 20;

    /// <summary>A whole checkpoint, copied from the replica, to be written at leisure.</summary>
    public static Action<Stream> Checkpoint(Replica replica, Position position, string network)
    {
        var tensors = Weights(replica).ToList();
        foreach (var (state, views) in replica.Arena.StateViews)
        {
            tensors.AddRange(Named(replica.Arena.Segments.Select(s => $"{OptimizerPrefix}{state}/{s.Name}"), views));
        }

        tensors.Add((new TensorEntry(StepName, Storage.ElementType.Int64, []), MemoryMarshal.AsBytes<long>(new[] { position.Step }).ToArray()));
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["network"] = network,
            [PositionKey] = JsonFormatter.Default.Format(position),
        };
        return stream => SafetensorsWriter.Write(stream, tensors, metadata);
    }

    /// <summary>Weights and the last reduced gradient, for histograms.</summary>
    public static Action<Stream> Histograms(Replica replica)
    {
        var segments = replica.Arena.Segments;
        List<FlatTensor> tensors =
        [
            .. Named(segments.Select(static s => $"weights/{s.Name}"), replica.Arena.ParameterViews, ScalarType.Float32),
            .. Named(segments.Select(static s => $"gradients/{s.Name}"), replica.Arena.GradientViews, ScalarType.Float32, replica.GradientScale),
        ];
        return stream => SafetensorsWriter.Write(stream, tensors, new Dictionary<string, string>());
    }

    /// <summary>Weights and the step's reduced gradient, in the replica's own precision.</summary>
    public static Action<Stream> StepRecord(Replica replica)
    {
        List<FlatTensor> tensors =
        [
            .. Named(replica.Arena.Segments.Select(static s => s.Name), replica.Arena.ParameterViews),
            .. Named(replica.Arena.Segments.Select(static s => $"gradients/{s.Name}"), replica.Arena.GradientViews, scale: replica.GradientScale),
        ];
        return stream => SafetensorsWriter.Write(stream, tensors, new Dictionary<string, string>());
    }

    /// <summary>Reads a file whose weights and buffers are to fit a network.</summary>
    /// <exception cref="StateFileException">It cannot be read, or a tensor is missing or of another shape.</exception>
    public static SafetensorsFile Open(string path, IEnumerable<NamedTensor> tensors)
    {
        var file = SafetensorsFile.Open(path);
        foreach (var tensor in tensors)
        {
            if (!file.Contains(tensor.Name) || !file.Entry(tensor.Name).Shape.SequenceEqual(tensor.Shape))
            {
                throw new StateFileException($"{path} does not fit the script: it has no tensor '{tensor.Name}' of shape [{string.Join(", ", tensor.Shape)}].");
            }
        }

        return file;
    }

    /// <summary>Gives a replica the weights and buffers of a file.</summary>
    /// <exception cref="StateFileException">It cannot be read, or a tensor is missing or of another shape.</exception>
    public static void LoadWeights(Replica replica, string path) =>
        Load(path, replica.Tensors, replica.Arena.ParameterViews.Concat(replica.Buffers.CurrentViews));

    /// <summary>Gives a replica the whole state of a checkpoint, and says where that stands.</summary>
    /// <exception cref="StateFileException">It cannot be read, is weights alone, or a tensor is missing or of another shape.</exception>
    public static Position LoadCheckpoint(Replica replica, string path)
    {
        var states = replica.Arena.StateNames.SelectMany(
            state => replica.Arena.Segments.Select(s => new NamedTensor($"{OptimizerPrefix}{state}/{s.Name}", s.Shape, 0, 0)));
        var views = replica.Arena.StateViews.SelectMany(static state => state.Views);
        Load(path, replica.Tensors.Concat(states), replica.Arena.ParameterViews.Concat(replica.Buffers.CurrentViews).Concat(views));
        var position = PositionOf(path);
        replica.Stand(position);
        return position;
    }

    /// <summary>Where a checkpoint stands.</summary>
    /// <exception cref="StateFileException">It cannot be read, or is weights alone.</exception>
    public static Position PositionOf(string path)
    {
        var file = SafetensorsFile.Open(path);
        if (!file.Metadata.TryGetValue(PositionKey, out var text)) throw new StateFileException($"{path} is no checkpoint of a run: it does not say where it stands.");
        try
        {
            return JsonParser.Default.Parse<Position>(text);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new StateFileException($"{path}: what it says of its position cannot be read: {e.Message}");
        }
    }

    /// <summary>Gives a network outside a run the weights and buffers of a file.</summary>
    /// <exception cref="StateFileException">It cannot be read, or a tensor is missing or of another shape.</exception>
    public static void LoadWeights(NetworkModule network, string path) =>
        Load(path, network.Plan.Weights.Concat(network.Plan.Buffers), network.Tensors);

    private static void Load(string path, IEnumerable<NamedTensor> names, IEnumerable<Tensor> tensors)
    {
        using var scope = NewDisposeScope();
        using var gradless = no_grad();
        var named = names.ToList();
        var file = Open(path, named);
        foreach (var (name, tensor) in named.Zip(tensors))
        {
            tensor.copy_(Read(file, name.Name).reshape([.. name.Shape]));
        }
    }

    /// <summary>SHA-256 over the parameters' float32 bytes in declaration order, lower-case hexadecimal.</summary>
    public static string WeightsHash(Replica replica)
    {
        using var host = replica.Arena.Parameters.to(ScalarType.Float32, CPU);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var rest = TensorMemory.Span<float>(host); !rest.IsEmpty; rest = rest[Math.Min(HashedAtOnce, rest.Length)..])
        {
            hash.AppendData(MemoryMarshal.AsBytes(rest[..Math.Min(HashedAtOnce, rest.Length)]));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static Tensor Read(SafetensorsFile file, string name) => file.Entry(name).Type switch
    {
        Storage.ElementType.Float64 => tensor(file.ReadFloat64(name)),
        Storage.ElementType.Float32 => tensor(file.ReadFloat32(name)),
        var other => throw new StateFileException($"'{name}' holds {other}: weights are floating-point numbers."),
    };

    private static IEnumerable<FlatTensor> Weights(Replica replica) =>
        Named(replica.Arena.Segments.Select(static s => s.Name), replica.Arena.ParameterViews)
            .Concat(Named(replica.Buffers.Segments.Select(static s => s.Name), replica.Buffers.CurrentViews));

    private static IEnumerable<FlatTensor> Named(IEnumerable<string> names, IEnumerable<Tensor> views, ScalarType? type = null, double scale = 1)
    {
        foreach (var (name, view) in names.Zip(views))
        {
            using var scope = NewDisposeScope();
            using var gradless = no_grad();
            var host = (scale.Equals(1) ? view : view / Scalars.Of(scale)).to(type ?? view.dtype, CPU).contiguous();
            var element = host.dtype == ScalarType.Float64 ? Storage.ElementType.Float64 : Storage.ElementType.Float32;
            yield return (new TensorEntry(name, element, host.shape), host.bytes.ToArray());
        }
    }
}
