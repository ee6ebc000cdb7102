using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;

namespace CnnCluster.Trainer.Protocol;

/// <summary>
/// Stands in for those of Akka's serializers that build whatever types a peer names, or actors of them: refuses to write, and
/// to read even when a peer asks for one of them by its number. A type's name is not even looked up.
/// </summary>
/// <param name="system">The ActorSystem.</param>
/// <param name="settings">Of the serializer that it stands in for: <c>identifier</c>, its number.</param>
public sealed class RefusingSerializer(ExtendedActorSystem system, Config settings) : SerializerWithStringManifest(system)
{
    /// <summary>Of a type, in a line for a person.</summary>
    private const int LongestName = 100;

    public override int Identifier { get; } = settings.GetInt("identifier");

    public override string Manifest(object o) => "";

    public override byte[] ToBinary(object obj) =>
        throw new SerializationException($"{obj.GetType()} is not a message that may leave this process.");

    /// <param name="bytes">As they came.</param>
    /// <param name="manifest">A type's name; null where the bytes have it within.</param>
    public override object FromBinary(byte[] bytes, string? manifest) =>
        throw RefusedMessage.Of(system, $"what Akka's serializer {Identifier} writes is not read here{OfType(manifest)}");

    private static string OfType(string? manifest) => string.IsNullOrEmpty(manifest) ? ""
        : manifest.Length <= LongestName ? $", such as a {manifest}"
        : $", such as a {manifest.AsSpan(0, LongestName)}...";
}
