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

    /// <exception cref="SerializationException">The manifest names no known message, or the bytes are none.</exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (!Parsers.TryGetValue(manifest, out var parser)) throw RefusedMessage.Of(system, $"'{manifest}' is no message of the control plane");
        try
        {
            return parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw RefusedMessage.Of(system, $"what came as {manifest} is none: {e.Message}");
        }
    }

    private static MessageDescriptor DescriptorOf(object message) =>
        message is IMessage { Descriptor: { } descriptor } && descriptor.File == ClusterReflection.Descriptor
            ? descriptor
            : throw new SerializationException($"{message.GetType()} is no message of the control plane.");
}
