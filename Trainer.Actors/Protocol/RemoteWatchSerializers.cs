using System.Collections.Frozen;
using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Remote.Serialization;
using Akka.Serialization;

namespace CnnCluster.Trainer.Protocol;

/// <summary>
/// Of Akka's miscellaneous messages those by which processes watch each other. The others would end actors of this process, or
/// build exceptions of types that a peer names.
/// </summary>
public sealed class RemoteWatchSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>As Akka's own serializer writes a heartbeat and its answer.</summary>
    private static readonly FrozenSet<string> Known = ["RWHB", "RWHR"];

    private readonly MiscMessageSerializer inner = new(system);

    public override int Identifier => inner.Identifier;

    public override string Manifest(object o) => inner.Manifest(o);

    public override byte[] ToBinary(object obj) => Known.Contains(Manifest(obj))
        ? inner.ToBinary(obj)
        : throw new SerializationException($"{obj.GetType()} is not a message that may leave this process.");

    public override object FromBinary(byte[] bytes, string manifest) => Known.Contains(manifest)
        ? inner.FromBinary(bytes, manifest)
        : throw RefusedMessage.Of(system, $"'{manifest}' is none of Akka's messages that are taken here");
}

/// <summary>Of Akka's system messages those by which an actor watches one elsewhere: nobody stops, suspends or fails ours from elsewhere.</summary>
public sealed class DeathWatchSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private static readonly FrozenDictionary<string, Type> Known =
        new[] { typeof(Watch), typeof(Unwatch), typeof(DeathWatchNotification) }.ToFrozenDictionary(static type => type.Name);

    private readonly SystemMessageSerializer inner = new(system);

    public override int Identifier => inner.Identifier;

    public override string Manifest(object o) => o.GetType().Name;

    public override byte[] ToBinary(object obj) => Known.ContainsKey(Manifest(obj))
        ? inner.ToBinary(obj)
        : throw new SerializationException($"{obj.GetType()} is not a message that may leave this process.");

    public override object FromBinary(byte[] bytes, string manifest) => Known.TryGetValue(manifest, out var type)
        ? inner.FromBinary(bytes, type)
        : throw RefusedMessage.Of(system, $"'{manifest}' is none of Akka's messages that are taken here");
}
