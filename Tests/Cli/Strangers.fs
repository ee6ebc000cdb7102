/// Who comes to the ports of a run with certificates and has no business there.
module CnnCluster.Tests.Cli.Strangers

open System
open System.IO
open System.Net
open System.Net.NetworkInformation
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open Akka.Actor
open Expecto
open Google.Protobuf
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Cli.Runs
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.ControlPlane.Peers
open CnnCluster.Tests.Trainer.Security
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Security

/// An address of this machine besides loopback, where it has one.
let address =
    NetworkInterface.GetAllNetworkInterfaces()
    |> Seq.filter (fun card -> card.OperationalStatus = OperationalStatus.Up)
    |> Seq.collect (fun card -> card.GetIPProperties().UnicastAddresses |> Seq.map _.Address)
    |> Seq.tryFind (fun address ->
        address.AddressFamily = AddressFamily.InterNetwork
        && not (IPAddress.IsLoopback address))
    |> Option.defaultValue IPAddress.Loopback
    |> string

/// A line that the home must say, once: who came, or a member's message; to what; and why it is turned away.
type Refused =
    { Who: string; To: string; Why: string }

let private control, private mesh, private state =
    "the control plane", "a worker's data plane", "the state channel"

/// Opens a connection, says something, and waits until the other side has closed it.
let private visit (security: IConnectionSecurity) (port: int) (words: byte[]) =
    task {
        use socket =
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)

        do! socket.ConnectAsync(address, port)
        let from = string socket.LocalEndPoint
        use patience = new CancellationTokenSource(patience)

        try
            use! stream =
                security.ConnectAsync(new SocketStream(socket), address, patience.Token)

            do! stream.WriteAsync(ReadOnlyMemory words)
            socket.Shutdown SocketShutdown.Send
            do! stream.CopyToAsync(Stream.Null, patience.Token)
        with
        | :? IOException
        | :? SocketException -> ()

        return $"a connection from {from}"
    }

/// A cluster's folders: two nodes of this machine; and who is none, with what he is told of.
type Cluster(folder: string) =
    let cluster, a, expired = Certificates.agedClusterOf folder "ours" $"a,{address}"

    let b =
        CertificateFolders.AddNode(cluster, NodeNames.Parse $"b,{address}", Certificates.now, 30)
        Certificates.node cluster "b"

    let theirs =
        Certificates.node (Certificates.cluster folder "strange" [ $"c,{address}" ]) "c"

    let foreign = Certificates.foreign folder "theirs" $"c,{address}" a

    member _.A = a
    member _.B = b
    member _.Theirs = theirs
    member _.Member = Certificates.showing b
    member val Network = NodeNetwork.Open(IPAddress.Parse address, address, b)

    /// Those that are no members, on any of the ports.
    member _.Strangers: (IConnectionSecurity * string) list =
        [ PlainConnections.Instance, "certificates did not agree"
          Certificates.withoutCertificate, "certificates did not agree"
          foreign, "certificates did not agree"
          Certificates.showing expired, "certificates did not agree" ]

    /// All of them at one port, beside each other, and a member who says the wrong thing there.
    member cluster.Visit (port: int) (channel: string) (words: (byte[] * string) list) =
        let visits =
            [ for security, why in cluster.Strangers -> security, Array.create 64 0xFFuy, why
              for words, why in words -> (cluster.Member, words, why) ]

        let from =
            Task.WhenAll [ for security, words, _ in visits -> visit security port words ]

        Expect.isTrue (from.Wait patience) $"{channel} lets nobody wait"

        [ for who, (_, _, why) in Seq.zip from.Result visits -> { Who = who; To = channel; Why = why } ]

/// The ports that a process listens at.
let listening (pid: int) =
    let sockets =
        set [ for handle in Directory.GetFiles $"/proc/{pid}/fd" -> FileInfo(handle).LinkTarget ]

    [ for line in File.ReadLines $"/proc/{pid}/net/tcp" |> Seq.tail do
          let fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)

          if fields[3] = "0A" && sockets.Contains $"socket:[{fields[9]}]" then
              Convert.ToInt32(fields[1].Split(':')[1], 16) ]

/// The path of the actor that nodes speak to.
let coordinator (port: int) =
    $"akka.tcp://cnn@{address}:{port}/user/coordinator"

/// Takes part in the run until it is formed into a generation, and then leaves: who has been told a token once.
let private former (peer: Peer) (coordinator: IActorRef) (joinToken: byte[]) name act =
    let actor, path, heard = peer.Record name
    let bytes (array: byte[]) = ByteString.CopyFrom array

    let registration =
        RegisterWorker(JoinToken = bytes joinToken, Slot = -1, Host = name, ProcessId = 1, Device = "cpu", Share = 1)

    registration.Incarnation <- bytes (Guid.NewGuid().ToByteArray())
    registration.Process <- bytes (Guid.NewGuid().ToByteArray())
    registration.Control <- path

    for version in RunDescriptions.Versions() do
        registration.Versions[version.Key] <- version.Value

    coordinator.Tell(registration, actor)
    next<WorkerAccepted> heard |> ignore

    // As long as it is heard of it is not given up for its silence.
    use _beats =
        new Timer((fun _ -> coordinator.Tell(Heartbeat(), actor)), null, TimeSpan.Zero, TimeSpan.FromSeconds 0.25)

    coordinator.Tell(WorkerPrepared(DataPlane = Endpoint(Host = address, Port = 9), Position = Position()), actor)
    let form = next<FormGeneration> heard
    let result = act form

    let gone =
        WorkerFailed(Generation = form.Generation, Kind = FailureKind.Worker, Reason = "it leaves", LostPeer = -1)

    coordinator.Tell(gone, actor)
    result

/// Strangers at the gradients' connections while a generation forms, and in the next one who shows the token of the last.
let atMesh (cluster: Cluster) peer coordinator joinToken =
    let first, refused =
        former peer coordinator joinToken "first" (fun form ->
            let port = form.Members[0].DataPlane.Port
            form, cluster.Visit port mesh [ Array.zeroCreate 20, "it broke off before it had shown who it is" ])

    let old =
        MeshHello(first.Generation, ReadOnlySpan(first.Token.ToByteArray())).From(Rank 1)

    former peer coordinator joinToken "second" (fun form ->
        Expect.isGreaterThan form.Generation first.Generation "the next generation"
        Expect.notEqual form.Token first.Token "has a token of its own"
        let port = form.Members[0].DataPlane.Port

        port,
        refused
        @ cluster.Visit port mesh [ old, "it showed another generation or another token" ])

/// Connections that say nothing, half a frame, and a frame without an end.
let disturb (port: int) =
    [ for i in 1..300 ->
          let client = new TcpClient(address, port)

          match i % 3 with
          | 0 -> client.GetStream().Write(ReadOnlySpan [| 0x16uy; 3uy; 1uy |])
          | 1 -> client.GetStream().Write(ReadOnlySpan(Array.create 64 0xFFuy))
          | _ -> ()

          client ]

let atControl (cluster: Cluster) (port: int) (joinToken: byte[]) =
    let hello token = Array.append "CnnCtrl\n"B token

    cluster.Visit
        port
        control
        [ hello (Array.zeroCreate 16), "it showed another token"
          Array.append (hello joinToken) [| 100uy; 0uy; 0uy; 0uy; 1uy |], "it broke off within a message"
          Array.append (hello joinToken) [| 0uy; 0uy; 0uy; 0x7Fuy; 1uy |], "it sent a message of 2130706432 bytes" ]

let atState (cluster: Cluster) (port: int) =
    cluster.Visit
        port
        state
        [ Array.append "CNNSTAT1"B (Array.zeroCreate 16), "it showed another token"
          Array.truncate 5 "CNNSTAT1"B, "it broke off before it had shown who it is" ]

/// What a member of the cluster sends that is no message of the control plane.
let send (peer: Peer) (path: string) =
    let coordinator = peer.At path

    [ Forged("System.IO.FileInfo", [||]) :> obj, "'System.IO.FileInfo' is no message of the control plane"
      Uri "http://localhost/", "what Akka's serializer 1 writes is not read here"
      Kill.Instance, "'K' is none of Akka's messages" ]
    |> List.map (fun (message, why) ->
        coordinator.Tell(message, ActorRefs.NoSender)

        { Who = "a message from a member"
          To = control
          Why = why })
