/// Runs whose every connection is opened with certificates, and strangers who try.
module CnnCluster.Tests.Cli.SecureRunTests

open System
open System.Diagnostics
open System.IO
open System.Net
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open Expecto
open CnnCluster.Tests.Cli.Runs
open CnnCluster.Tests.Cli.Strangers
open CnnCluster.Tests.Trainer.ControlPlane.Peers
open CnnCluster.Tests.Trainer.Security
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Security
open CnnCluster.Trainer.Training

let private script =
    endless.Replace("    loss cross-entropy", "    exact shards=4\n    loss cross-entropy")

let private withLines (start: Process) act =
    let output, errors = Lines start.StandardOutput, Lines start.StandardError

    try
        act errors
        output.Last 1 |> ignore
    finally
        if not start.HasExited then start.Kill true

let private hash (event: Text.Json.Nodes.JsonNode) = string event["weights_sha256"]

/// Where a run waits for its nodes, with certificates.
let private listeningWith (cluster: Cluster) =
    [ "--listen"; $"{address}:0"; "--cert"; cluster.A ]

/// Stops a run; what it said.
let private stops (run: Run) =
    let code, errors = run.Interrupt()
    Expect.equal code 130 errors
    errors

/// Stops a run, which goes on, with certificates too, to the end and to the bits of one that was left alone; what it said.
let private endsWell (run: Run) file cluster =
    let errors = stops run
    let stopped = ReplicaState.PositionOf(Array.max (checkpoints run.Folder))
    let until = [ "--epochs"; string (stopped.Epoch + 1); "--json"; "--threads"; "1" ]

    let resumed =
        Cnn.run run.Folder ([ "train"; "--resume"; "run" ] @ listeningWith cluster @ until)

    let alone = Cnn.run run.Folder ([ "train"; file; "--out"; "alone" ] @ until)
    Expect.equal (resumed.ExitCode, alone.ExitCode) (0, 0) (resumed.Error + alone.Error)
    Expect.equal (hash (resumed.Event "end")) (hash (alone.Event "end")) "the same bits"
    errors

/// A node ends with the run, and well.
let private endsWithIt (node: Process) (errors: Lines) =
    Expect.isTrue (node.WaitForExit patience) "the node ends with the run"
    Expect.equal node.ExitCode 0 (errors.All())

/// A run of two workers with certificates, from where its nodes can join.
let private running folder (cluster: Cluster) arguments act =
    let listening = listeningWith cluster @ [ "--min-workers"; "2"; "--out"; "run" ]
    use home = Cnn.startInterruptible (arguments @ listening) folder
    let run = Run(home, folder)

    try
        let listen = run.Next "listen"
        let join = string listen["join"]
        let port = (string listen["address"]).Split ':' |> Array.last |> int
        act run home.Id join port
    finally
        if not home.HasExited then home.Kill true

/// What somebody does who has a certificate and the token, and is no worker.
let private asMember (cluster: Cluster) join port act =
    let joinToken = (JoinTicket.Read join).Token
    use peer = new Peer(cluster.Network, joinToken, honest)
    act peer (peer.At(coordinator port)) joinToken

/// A process that would join, and is not let in.
let private notLetIn folder join certificates (why: string) =
    use stranger = Cnn.start [ "node"; "--join"; join; "--cert"; certificates ] folder

    withLines stranger (fun errors ->
        Expect.isTrue (stranger.WaitForExit patience) "it ends"
        Expect.equal stranger.ExitCode 1 (errors.All())
        Expect.stringContains (errors.All()) "does not let this node in" "it is said"
        Expect.stringContains (errors.All()) why "why")

/// A ticket of the same run with another token.
let private misread folder join =
    let ticket = JoinTicket.Read join
    let path = Path.Combine(folder, "other-join")
    JoinTicket(ticket.Home, Array.zeroCreate 16).Write path
    path

let private saidOnce (errors: string) refused =
    let lines =
        errors.Split '\n'
        |> Array.filter (fun line ->
            line.Contains $"{refused.Who} to {refused.To} was turned away: "
            && line.Contains refused.Why)

    Expect.hasLength lines 1 $"one line of {refused} in\n{errors}"

[<Tests>]
let tests =
    testList
        "Cli.secure"
        [ test "a run with certificates takes its members, turns strangers away on every port, and ends with them" {
              Cnn.inFolder (fun folder ->
                  let cluster = Cluster folder
                  let file = Cnn.write folder "net.cnn" script

                  running folder cluster [ "train"; file; "--json"; "--threads"; "1" ] (fun run pid join port ->
                      let joinToken = (JoinTicket.Read join).Token

                      use node = Cnn.start [ "node"; "--join"; join; "--cert"; cluster.B ] folder

                      withLines node (fun errors ->
                          run.Until("the node", List.contains node.Id)
                          let meshPort, atMesh = asMember cluster join port (atMesh cluster)
                          let statePort = listening pid |> List.except [ port; meshPort ] |> List.exactlyOne
                          let atControl = atControl cluster port joinToken
                          let atState = atState cluster statePort
                          use forger = new Peer(cluster.Network, joinToken, forging)
                          let sent = send forger (coordinator port)
                          let silent = disturb port
                          notLetIn folder join cluster.Theirs "certificates"
                          let said = stops run
                          endsWithIt node errors

                          for client in silent do
                              client.Dispose()

                          List.iter (saidOnce said) (atMesh @ atControl @ atState @ sent))))
          }
          test "certificates that are missing, expired, another host's or of no use are refused before anything starts" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" script
                  let _, expired = Certificates.agedCluster folder "aged"
                  let far = Certificates.node (Certificates.cluster folder "far" [ "far" ]) "far"

                  let refused arguments (part: string) =
                      let result = Cnn.run folder ([ "train"; file ] @ arguments)
                      Expect.equal result.ExitCode 2 result.Error
                      Expect.stringContains result.Error part "why"

                  refused [ "--listen"; "192.0.2.77:0" ] "need certificates"
                  refused [ "--listen"; "0.0.0.0:0"; "--cert"; far ] "needs --host"
                  refused [ "--listen"; $"{address}:0"; "--cert"; expired ] "has expired"
                  refused [ "--listen"; "127.0.0.1:0"; "--cert"; far ] "is not for 127.0.0.1"
                  refused [ "--listen"; "127.0.0.1:0"; "--cert"; "nowhere" ] "nowhere"
                  refused [ "--cert"; far ] "need --listen")
          } ]

/// Five times as long as a run lets a stranger keep silent.
let private forgetting = TimeSpan.FromSeconds 20.0

/// Waits until the other side has closed a connection.
let private closed (socket: Socket) (patience: TimeSpan) =
    task {
        use patience = new CancellationTokenSource(patience)

        try
            let! _ =
                socket.ReceiveAsync(Memory(Array.zeroCreate 1), SocketFlags.None, patience.Token)

            return true
        with
        | :? SocketException -> return true
        | :? OperationCanceledException -> return false
    }

/// Opens connections, some hundreds at a time, and keeps them for as long as the other side does. How many there were.
/// Who came while the listener's queue was full believes in a connection that the other system has forgotten: nothing
/// is ever said of it until it is used. So after a while one byte is sent, as of a handshake's beginning, which closes
/// none that the run holds open.
let private crowd count (ports: int list) =
    let opened = ref 0

    let come i =
        task {
            use socket =
                new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)

            do! socket.ConnectAsync(address, ports[i % ports.Length])
            Interlocked.Increment opened |> ignore
            let! isClosed = closed socket forgetting

            if not isClosed then
                try
                    let! _ =
                        socket.SendAsync(Memory [| 22uy |], SocketFlags.None, CancellationToken.None)

                    ()
                with :? SocketException ->
                    ()

                let! isClosed = closed socket forgetting
                Expect.isTrue isClosed "a connection that says nothing is closed"
        }

    opened, Task.WhenAll [ for i in 1..count -> Task.Run<unit>(fun () -> come i) ]

[<Tests>]
let longTests =
    testList
        "Cli.secure (long)"
        [ test "ten thousand connections that say nothing hold up neither the run nor who joins it" {
              Cnn.inFolder (fun folder ->
                  let cluster = Cluster folder
                  let file = Cnn.write folder "net.cnn" script

                  running folder cluster [ "train"; file; "--json"; "--threads"; "1" ] (fun run pid join _ ->
                      use node = Cnn.start [ "node"; "--join"; join; "--cert"; cluster.B ] folder

                      withLines node (fun errors ->
                          run.Until("the node", List.contains node.Id)
                          let ports = listening pid

                          Expect.hasLength
                              ports
                              3
                              "the control plane, the state channel and the gradients' connections"

                          notLetIn folder (misread folder join) cluster.B "another token"
                          let opened, gone = crowd 10_000 ports

                          use another = Cnn.start [ "node"; "--join"; join; "--cert"; cluster.B ] folder

                          run.Until("another, through the crowd", List.contains another.Id)
                          Expect.isTrue (gone.Wait(patience + patience)) "each of the crowd is let go"
                          Expect.equal opened.Value 10_000 "all of them came"
                          let said = endsWell run file cluster
                          endsWithIt node errors
                          Expect.isTrue (another.WaitForExit patience) "and so does the other"
                          Expect.equal another.ExitCode 0 "well"
                          Expect.stringContains said "more were turned away" "they are counted")))
          } ]
