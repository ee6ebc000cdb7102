/// Processes that speak the control plane of a run, and mean it well or not.
module CnnCluster.Tests.Trainer.ControlPlane.Peers

open System
open System.Collections.Concurrent
open Akka.Actor
open Akka.Actor.Setup
open Akka.Configuration
open Akka.Serialization
open Google.Protobuf
open CnnCluster.Trainer.ControlPlane
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Security

let patience = TimeSpan.FromSeconds 60.0

/// What comes next, if anything does in time.
let take (from: BlockingCollection<'item>) =
    let mutable item = Unchecked.defaultof<'item>
    if from.TryTake(&item, patience) then Some item else None

/// Bytes under a name, as a serializer of the control plane's number may send them and none of ours would.
type Forged(manifest: string, bytes: byte[]) =
    member _.Manifest = manifest
    member _.Bytes = bytes

/// Answers to the number of the control plane's serializer, and writes whatever it is given.
type ForgingSerializer(system: ExtendedActorSystem) =
    inherit SerializerWithStringManifest(system)
    override _.Identifier = 7301
    override _.Manifest message = (message :?> Forged).Manifest
    override _.ToBinary message = (message :?> Forged).Bytes

    override _.FromBinary(_: byte[], _: string) : obj =
        raise (NotSupportedException "it only writes")

/// Keeps what it is told, and by whom.
type Recorder(heard: BlockingCollection<obj * IActorRef>) as self =
    inherit ReceiveActor()
    do self.ReceiveAny(fun message -> heard.Add((message, self.Told)))
    member private recorder.Told = recorder.Sender

let private transport =
    """
    akka {
      loglevel = OFF
      stdout-loglevel = OFF
      log-serializer-override-on-start = off
      remote.enabled-transports = ["akka.remote.control-plane"]
      remote.control-plane {
        transport-class = "CnnCluster.Trainer.ControlPlane.ControlPlaneTransport, CnnCluster.Trainer.Actors"
        applied-adapters = []
      }
    }
    """

/// What a node speaks: an actor that is watched from elsewhere needs both ways of it.
let honest =
    """
    akka.actor {
      serializers.control-plane = "CnnCluster.Trainer.Protocol.ProtobufMessageSerializer, CnnCluster.Trainer.Actors"
      serializers.akka-misc = "CnnCluster.Trainer.Protocol.RemoteWatchSerializer, CnnCluster.Trainer.Actors"
      serializers.akka-system-msg = "CnnCluster.Trainer.Protocol.DeathWatchSerializer, CnnCluster.Trainer.Actors"
      serialization-bindings { "Google.Protobuf.IMessage, Google.Protobuf" = control-plane }
    }
    """

/// Akka's own serializers, as they come; and forged messages.
let forging =
    """
    akka.actor.serializers.forging = "CnnCluster.Tests.Trainer.ControlPlane.Peers+ForgingSerializer, CnnCluster.Tests"
    akka.actor.serialization-bindings { "CnnCluster.Tests.Trainer.ControlPlane.Peers+Forged, CnnCluster.Tests" = forging }
    """

/// A process of its own, as far as the network goes, with the run's token or another.
type Peer(network: NodeNetwork, token: byte[], settings: string) =
    let turnedAway = new BlockingCollection<string>()

    let setup =
        ControlPlaneSetup(network, 0, token, TurnedAway = (fun _ why -> turnedAway.Add why))

    let bootstrap =
        BootstrapSetup
            .Create()
            .WithConfig(ConfigurationFactory.ParseString(transport + settings))
            .WithActorRefProvider(ProviderSelection.Remote.Instance)

    let system = ActorSystem.Create("peer", bootstrap.And setup)

    member _.System = system

    /// Where others find it.
    member _.Address = (system :?> ExtendedActorSystem).Provider.DefaultAddress

    /// Why it was turned away for good.
    member _.TurnedAway = turnedAway

    /// An actor elsewhere, by its whole path; nobody is asked whether it is there.
    member _.At(path: string) : IActorRef =
        (system :?> ExtendedActorSystem).Provider.ResolveActorRef path

    /// An actor that keeps what it is told, its whole path and what it has been told.
    member peer.Record name =
        let heard = new BlockingCollection<obj * IActorRef>()
        let actor = system.ActorOf(Props.Create(typeof<Recorder>, [| box heard |]), name)
        actor, $"{peer.Address}/user/{name}", heard

    interface IDisposable with
        member _.Dispose() =
            system.Terminate().Wait patience |> ignore

/// The next that an actor is told, of a type.
let rec next<'message> (heard: BlockingCollection<obj * IActorRef>) : 'message =
    match take heard with
    | Some((:? 'message as message), _) -> message
    | Some _ -> next heard
    | None -> failwith $"no {typeof<'message>.Name} within {patience}"
