using Akka.Actor;
using Akka.Actor.Setup;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Security;

namespace CnnCluster.Trainer.ControlPlane;

/// <summary>What an ActorSystem's <see cref="ControlPlaneTransport"/> is told, which Akka makes from a name in its settings.</summary>
/// <param name="network">Where this process is found, and how connections are opened.</param>
/// <param name="port">The port to listen at; 0 takes one that the system gives.</param>
/// <param name="token">The run's 16 bytes: whoever connects shows them, and is turned away without.</param>
public sealed class ControlPlaneSetup(NodeNetwork network, int port, byte[] token) : Setup
{
    /// <summary>As in "a connection to the control plane".</summary>
    public const string Name = "the control plane";

    public NodeNetwork Network { get; } = network;

    public int Port { get; } = port;

    /// <summary>What both sides of a connection say first.</summary>
    internal ControlPlaneHello Hello { get; } = new(token);

    /// <summary>Hears which process has turned this one away for good, and why.</summary>
    public Action<Address, string> TurnedAway { get; init; } = static (_, _) => { };

    /// <summary>Says of a connection that it was turned away.</summary>
    internal void Refuse(string from, string why) => Network.Refused(new Refusal(from, Name, why));

    /// <summary>Says of a message of this process that it is not sent.</summary>
    internal void RefuseToSend(string to, string why) => Network.Refused(new Refusal("this process", to, why) { What = "a message" });

    /// <summary>Says of a message that it was; where one is read, nothing is known of its sender but that he is a member.</summary>
    internal void RefuseMessage(string why) => Network.Refused(new Refusal("a member", Name, why) { What = "a message" });
}
