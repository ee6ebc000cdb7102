using System.Runtime.Serialization;
using Akka.Actor;
using CnnCluster.Trainer.ControlPlane;

namespace CnnCluster.Trainer.Protocol;

/// <summary>A message that is not read. Akka leaves it at that; here it is said.</summary>
internal static class RefusedMessage
{
    /// <param name="system">Of the serializer that it came to.</param>
    /// <param name="why">As in "'X' is no message of the control plane".</param>
    public static SerializationException Of(ExtendedActorSystem system, string why)
    {
        if (system.Settings.Setup.Get<ControlPlaneSetup>() is { HasValue: true, Value: var setup }) setup.RefuseMessage(why);
        return new SerializationException(why);
    }
}
