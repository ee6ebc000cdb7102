module CnnCluster.Tests.Trainer.ControlPlane.ControlPlaneTransportTests

open System
open System.Buffers.Binary
open System.Collections.Concurrent
open System.Net
open System.Net.Sockets
open System.Threading
open Akka.Actor
open Akka.Dispatch.SysMsg
open Expecto
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Trainer.ControlPlane.Peers
open CnnCluster.Tests.Trainer.Security
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Observation
open CnnCluster.Trainer.Security

let private token = Array.init 16 (fun i -> byte (100 + i))

let private loopback () = NodeNetwork.Loopback()

/// A network, and what is turned away from it.
let private watched (network: NodeNetwork) =
    let refusals = new BlockingCollection<Refusal>()
    network.Refused <- Action<_> refusals.Add
    network, refusals

let private refused (refusals: BlockingCollection<Refusal>) (why: string) =
    match take refusals with
    | Some refusal ->
        Expect.equal refusal.To "the control plane" "what to"
        Expect.stringContains refusal.Why why "why"
        refusal
    | None -> failtest $"nobody said of anything: {why}"

/// Two processes, and an actor of the second one that keeps what it is told.
let private talking (network: unit -> NodeNetwork) act =
    use one = new Peer(network (), token, honest)
    let second, refusals = watched (network ())
    use other = new Peer(second, token, honest)
    let _, path, heard = other.Record "recorder"
    act one other (one.At path) heard
    Expect.isEmpty refusals "nothing is turned away"

let private numbered (step: int) =
    WorkerReady(Generation = 7L, Position = Position(Step = int64 step))

/// What a process says first, and a message of a length with some of its bytes.
let private hello = Array.append "CnnCtrl\n"B token

let private frame (length: int) (bytes: byte[]) =
    let header = Array.zeroCreate 4
    BinaryPrimitives.WriteInt32LittleEndian(Span header, length)
    Array.append header bytes

/// Says bytes and ends, and hears what comes until the other side has ended too.
let private say port (bytes: byte[]) =
    use client = new TcpClient("127.0.0.1", port)
    client.ReceiveTimeout <- int patience.TotalMilliseconds
    use stream = client.GetStream()
    stream.Write(ReadOnlySpan bytes)
    client.Client.Shutdown SocketShutdown.Send
    use heard = new IO.MemoryStream()

    try
        stream.CopyTo heard
    with :? IO.IOException as e when (e.InnerException :? SocketException) ->
        // Reset, as by whoever does not read what is left.
        ()

    Text.Encoding.ASCII.GetString(heard.ToArray())

let private welcome, private refusal = "CnnYes\r\n", "CnnNo\r\n\n"

[<Tests>]
let tests =
    testList
        "Trainer.ControlPlane.transport"
        [ for name, secured in [ "plain", false; "with certificates", true ] do
              let networks act =
                  Cnn.inFolder (fun folder ->
                      if secured then
                          let node = Certificates.localNode folder "ours"
                          act (fun () -> NodeNetwork.Open(IPAddress.Loopback, "127.0.0.1", node))
                      else
                          act loopback)

              test $"what is told comes whole, once and in order: {name}" {
                  networks (fun network ->
                      talking network (fun _ _ target heard ->
                          for step in 1..20_000 do
                              target.Tell(numbered step)

                          for step in 1..20_000 do
                              Expect.equal (next<WorkerReady> heard).Position.Step (int64 step) "in order"))
              }

              test $"both sides speak over one connection, up to the longest message: {name}" {
                  networks (fun network ->
                      talking network (fun one _ target heard ->
                          let asker, _, answers = one.Record "asker"
                          let long = Expelled(Reason = String('x', 4_000_000))
                          target.Tell(long, asker)
                          let _, sender = heard.Take()
                          sender.Tell(long, ActorRefs.NoSender)
                          Expect.equal (next<Expelled> answers).Reason.Length 4_000_000 "back again"))
              }

              test $"an actor of a process that ends is known to be gone: {name}" {
                  networks (fun network ->
                      use one = new Peer(network (), token, honest)
                      let other = new Peer(network (), token, honest)
                      let _, path, heard = other.Record "recorder"
                      (one.At path).Tell(numbered 1)
                      next<WorkerReady> heard |> ignore
                      let gone = new ManualResetEventSlim()

                      let watch (inbox: Inbox) =
                          inbox.Watch(one.At path) |> ignore
                          (other :> IDisposable).Dispose()
                          inbox.ReceiveAsync(patience).Result |> ignore
                          gone.Set()

                      watch (Inbox.Create one.System)
                      Expect.isTrue (gone.Wait patience) "told")
              }
          test "what is too long to be sent is said, and what comes behind it is sent" {
              let network, refusals = watched (loopback ())
              use one = new Peer(network, token, honest)
              use other = new Peer(loopback (), token, honest)
              let _, path, heard = other.Record "recorder"
              let target = one.At path
              target.Tell(Expelled(Reason = String('x', 5_000_000)))
              target.Tell(numbered 1)
              let said = Expect.wantSome (take refusals) "said"

              Expect.equal
                  (said.What, said.From, said.To)
                  ("a message", "this process", $"127.0.0.1:{other.Address.Port.Value}")
                  "what is not sent where"

              Expect.stringContains said.Why "where 4195304 are allowed" "why"
              Expect.equal (fst (heard.Take()) :?> WorkerReady) (numbered 1) "the next one"
          }
          test "more long messages than may wait at a time come whole and in order" {
              talking loopback (fun _ _ target heard ->
                  for i in 1..8 do
                      target.Tell(Expelled(Reason = String(char i, 4_000_000)))

                  for i in 1..8 do
                      let reason = (next<Expelled> heard).Reason
                      Expect.equal (reason.Length, reason[0], reason[3_999_999]) (4_000_000, char i, char i) "in order")
          }
          test "who has another token is turned away, is told so, and sends nothing" {
              let network, refusals = watched (loopback ())
              use home = new Peer(network, token, honest)
              let _, path, heard = home.Record "recorder"
              use stranger = new Peer(loopback (), Array.zeroCreate 16, honest)
              (stranger.At path).Tell(numbered 1)
              refused refusals "it showed another token" |> ignore

              match take stranger.TurnedAway with
              | Some why -> Expect.stringContains why "another token" "what it was told"
              | None -> failtest "it was not told"

              Expect.isEmpty heard "nothing came"
          }
          test "who trusts another authority is turned away for good" {
              Cnn.inFolder (fun folder ->
                  let node name =
                      NodeNetwork.Open(IPAddress.Loopback, "127.0.0.1", Certificates.localNode folder name)

                  let network, refusals = watched (node "ours")
                  use home = new Peer(network, token, honest)
                  let _, path, heard = home.Record "recorder"
                  use stranger = new Peer(node "theirs", token, honest)
                  (stranger.At path).Tell(numbered 1)
                  refused refusals "" |> ignore
                  Expect.isSome (take stranger.TurnedAway) "it knows"
                  Expect.isEmpty heard "nothing came")
          }
          for what, words, answer, why in
              [ "another protocol", "GET / HTTP/1.1\r\nHost: here\r\n\r\n"B, refusal, "it speaks another protocol"
                "half a greeting", Array.truncate 12 hello, "", "it broke off before it had shown who it is"
                "a message that breaks off", Array.append hello (frame 100 [| 1uy; 2uy |]), welcome, "it broke off"
                "half a length", Array.append hello [| 1uy; 0uy |], welcome, "it broke off"
                "a message over the bound",
                Array.append hello (frame 5_000_000 (Array.zeroCreate 64)),
                welcome,
                "a message of 5000000 bytes"
                "a long message that breaks off",
                Array.append hello (frame 4_000_000 (Array.zeroCreate 300_000)),
                welcome,
                "it broke off within a message"
                "a message of a negative length", Array.append hello (frame -1 [||]), welcome, "a message of -1 bytes" ] do
              test $"{what} is turned away and said, and others are still heard" {
                  let network, refusals = watched (loopback ())
                  use home = new Peer(network, token, honest)
                  let _, path, heard = home.Record "recorder"
                  Expect.equal (say home.Address.Port.Value words) answer "what it hears"
                  let said = refused refusals why
                  Expect.stringStarts said.From "127.0.0.1:" "from where"
                  use friend = new Peer(loopback (), token, honest)
                  (friend.At path).Tell(numbered 1)
                  next<WorkerReady> heard |> ignore
                  Expect.isEmpty refusals "one line for one"
              } ]

/// A run's home, with an actor that keeps what it is told.
let private atHome act =
    let network, refusals = watched (loopback ())

    let home =
        ClusterNode.StartHomeAsync(network, 0, token, ProcessObservation.OfEnvironment(), CancellationToken.None).Result

    try
        let heard = new BlockingCollection<obj * IActorRef>()

        home.System.ActorOf(Props.Create(typeof<Recorder>, [| box heard |]), "recorder")
        |> ignore

        act $"{home.Address}/user/recorder" home heard refusals
    finally
        home.DisposeAsync().AsTask().Wait patience |> ignore

[<Tests>]
let messageTests =
    testList
        "Trainer.ControlPlane.messages"
        [ test "a member's message of a type that is none of the control plane's is not read, and said" {
              atHome (fun path home heard refusals ->
                  use member' = new Peer(loopback (), token, forging)
                  let target = member'.At path

                  let notRead (message: obj) why =
                      target.Tell(message, ActorRefs.NoSender)
                      let said = refused refusals why
                      Expect.equal (said.What, said.From) ("a message", "a member") "what, and from whom"

                  notRead (Forged("System.IO.FileInfo", [||])) "'System.IO.FileInfo' is no message"
                  notRead (Forged("Heartbeat", [| 0xFFuy |])) "what came as Heartbeat is none"
                  notRead (Uri "http://localhost/") "what Akka's serializer 1 writes is not read here"
                  notRead (WorkerReady()) "what Akka's serializer 2 writes is not read here, such as a CnnCluster"
                  notRead PoisonPill.Instance "'PP' is none of Akka's messages"
                  notRead Kill.Instance "'K' is none of Akka's messages"
                  notRead (Status.Failure(InvalidOperationException "here")) "'STF' is none of Akka's messages"

                  target.Tell(Forged("WorkerReady", [||]), ActorRefs.NoSender)
                  next<WorkerReady> heard |> ignore

                  // Akka would have these acknowledged; one that is refused costs its sender the connection.
                  let rec inTheEnd (why: string) =
                      match take refusals with
                      | Some refusal when refusal.Why.Contains why -> ()
                      | Some _ -> inTheEnd why
                      | None -> failtest $"nobody said of anything: {why}"

                  let deployed =
                      Props.Create(typeof<Recorder>, [||]).WithDeploy(Deploy(RemoteScope home.Address))

                  member'.System.ActorOf(deployed, "deployed") |> ignore
                  inTheEnd "what Akka's serializer 3 writes is not read here"
                  (target :?> IInternalActorRef).SendSystemMessage(Terminate())
                  inTheEnd "'Akka.Dispatch.SysMsg.Terminate"
                  use friend = new Peer(loopback (), token, honest)
                  (friend.At path).Tell(numbered 1)
                  Expect.equal (next<WorkerReady> heard) (numbered 1) "the actor is still there"
                  Expect.isEmpty heard "nothing else was read")
          } ]
