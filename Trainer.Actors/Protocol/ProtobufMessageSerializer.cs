using System.Collections.Frozen;
using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace CnnCluster.Trainer.Protocol;

/// <summary>Serialises the messages of <c>cluster.proto</c>, and nothing else; a manifest is a message's name there.</summary>
public sealed class ProtobufMessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private static readonly FrozenDictionary<string, MessageParser> Parsers =
        ClusterReflection.Descriptor.MessageTypes.ToFrozenDictionary(static m => m.Name, static m => m.Parser);

    public override int Identifier => 7301;

    public override string Manifest(object o) => DescriptorOf(o).Name;

    public override byte[] ToBinary(object obj)
    {
        _ = DescriptorOf(obj);
        return ((IMessage)obj).ToByteArray();
    }

    /// <exception cref="SerializationException">The manifest names no known message.</exception>
    public override object FromBinary(byte[] bytes, string manifest) =>
        Parsers.TryGetValue(manifest, out var parser)
            ? parser.ParseFrom(bytes)
            : throw new SerializationException($"'{manifest}' is no message of the control plane.");

    private static MessageDescriptor DescriptorOf(object message) =>
        message is IMessage { Descriptor: { } descriptor } && descriptor.File == ClusterReflection.Descriptor
            ? descriptor
            : throw new SerializationException($"{message.GetType()} is no message of the control plane.");
}

/// <summary>
/// Stands in for Akka's default JSON serializer, which would build whatever types a peer names: refuses to
/// write, and refuses to read even when a peer asks for it by its number.
/// </summary>
public sealed class RefusingSerializer(ExtendedActorSystem system) : Serializer(system)
{
    /// <summary>Akka hands a serializer its settings where the default configuration has some, as for this one's name.</summary>
    public RefusingSerializer(ExtendedActorSystem system, Config settings)
        : this(system) => _ = settings;

    /// <summary>The JSON serializer's own number, so that it is this one that answers to it.</summary>
    public override int Identifier => 1;

    public override bool IncludeManifest => false;

    public override byte[] ToBinary(object obj) =>
        throw new SerializationException($"{obj.GetType()} is not a message that may leave this process.");

    public override object FromBinary(byte[] bytes, Type type) =>
        throw new SerializationException("Messages in the default format are refused.");
}
