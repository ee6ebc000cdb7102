module CnnCluster.Tests.Kernels.Collectives.TcpMeshTests

open System
open System.IO
open System.Net
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Collectives.Ranks

let private hello generation key (rank: int) =
    MeshHello(generation, ReadOnlySpan(key: byte[])).From(Rank rank)

let private flipped index (bytes: byte[]) =
    Array.mapi (fun i b -> if i = index then b ^^^ 1uy else b) bytes

/// A connection that says some bytes; what it is answered, empty when it is closed.
let private say (port: int) (words: byte[]) =
    use client = new TcpClient("127.0.0.1", port)
    client.ReceiveTimeout <- int bound.TotalMilliseconds
    client.GetStream().Write(ReadOnlySpan words)
    let answer = Array.zeroCreate 1

    try
        Array.truncate (client.GetStream().Read(answer, 0, 1)) answer
    with :? IOException as e when (e.InnerException :? SocketException) ->
        Expect.notEqual (e.InnerException :?> SocketException).SocketErrorCode SocketError.TimedOut "closed in time"
        [||]

/// Meshes of a world, of which rank 0 is connecting while the test acts.
let private whileRank0Connects world act =
    let meshes = Array.init world (fun _ -> TcpMesh.Listen IPAddress.Loopback)
    let outcome = TaskCompletionSource<ICollective>()

    let connecting () =
        try
            outcome.SetResult(connect meshes[0] 0 (endpoints meshes) bound bound)
        with e ->
            outcome.SetException e

    Thread(connecting, IsBackground = true).Start()

    try
        act meshes outcome.Task
    finally
        for mesh in meshes do
            mesh.Dispose()

let private reduceTogether ranks =
    let work (rank: ICollective) =
        use buffer = torch.ones [| 10L |]
        rank.AllReduceSum buffer
        buffer[0].item<float32>()

    for sum in onThreads ranks work |> all do
        Expect.equal sum (float32 ranks.Length) "the ranks' sum"

let private formsWithRank1 (meshes: TcpMesh[]) (outcome: Task<ICollective>) =
    let second = connect meshes[1] 1 (endpoints meshes) bound bound
    Expect.isTrue (outcome.Wait bound) "rank 0 connects"
    disposing [| outcome.Result; second |] reduceTogether

let private strangers =
    let right = hello 7L token 1

    [ "nothing, and closes", [||]
      "other magic", flipped 0 right
      "another version", flipped 8 right
      "another generation", hello 8L token 1
      "another token", hello 7L (flipped 15 token) 1
      "the accepting rank", hello 7L token 0
      "a rank beyond the world", hello 7L token 2
      "a negative rank", hello 7L token -1 ]

[<Tests>]
let tests =
    testList
        "Kernels.TcpMesh"
        [ test "strangers are closed without an answer, and the ranks find each other" {
              whileRank0Connects 2 (fun meshes outcome ->
                  for who, words in strangers do
                      if words.Length > 0 then
                          Expect.equal (say meshes[0].Port words) [||] who
                      else
                          (new TcpClient("127.0.0.1", meshes[0].Port)).Dispose()

                  formsWithRank1 meshes outcome)
          }
          test "silent connections are closed, and do not hold up the ranks" {
              whileRank0Connects 2 (fun meshes outcome ->
                  let silent = [ for _ in 1..100 -> new TcpClient("127.0.0.1", meshes[0].Port) ]
                  let watch = Diagnostics.Stopwatch.StartNew()
                  Expect.equal (say meshes[0].Port (Array.truncate 20 (hello 7L token 1))) [||] "half a hello"
                  Expect.isLessThan watch.Elapsed (TimeSpan.FromSeconds 10.0) "closed after two seconds"
                  formsWithRank1 meshes outcome

                  for client in silent do
                      client.Dispose())
          }
          test "a guarded listener that is closed while it accepts ends well, whichever it sees first" {
              for _ in 1..50 do
                  let listener = new TcpListener(IPAddress.Loopback, 0)
                  listener.Start()
                  use ended = new Threading.CancellationTokenSource()

                  let guarded =
                      GuardedListener(listener, PlainConnections.Instance, "tests", (fun _ -> ()))

                  let run =
                      guarded.RunAsync(
                          GuardedListener.Greeter(fun _ _ _ -> Threading.Tasks.Task.FromResult "unwanted"),
                          ended.Token
                      )

                  listener.Stop()
                  ended.Cancel()
                  Expect.isTrue (run.Wait bound) "in time"
          }
          test "a rank that comes twice is served once" {
              whileRank0Connects 3 (fun meshes _ ->
                  use first = new TcpClient("127.0.0.1", meshes[0].Port)
                  first.GetStream().Write(ReadOnlySpan(hello 7L token 1))
                  Expect.equal (first.GetStream().ReadByte()) (int MeshHello.Welcome) "welcome"
                  Expect.equal (say meshes[0].Port (hello 7L token 1)) [||] "turned away")
          }
          test "the ranks that did not come are named, within the patience" {
              let meshes = Array.init 4 (fun _ -> TcpMesh.Listen IPAddress.Loopback)
              let places = endpoints meshes
              meshes[0].Dispose()
              let watch = Diagnostics.Stopwatch.StartNew()

              let failure =
                  Expect.throwsC
                      (fun () -> connect meshes[2] 2 places (TimeSpan.FromMilliseconds 300.0) bound |> ignore)
                      (fun e -> e :?> CollectiveException)

              Expect.isLessThan watch.Elapsed (TimeSpan.FromSeconds 5.0) "in time"

              for rank in [ 0; 1; 3 ] do
                  Expect.stringContains failure.Message $"rank {rank} at" "its name"

              Expect.stringContains failure.Message "refused" "why rank 0 was not reached"

              for mesh in meshes do
                  mesh.Dispose()
          }
          for what, host, port in
              [ "a port above the highest", "127.0.0.1", 65536
                "a port below the lowest", "127.0.0.1", -1
                "a name that is too long", String('h', 300), 80 ] do
              test $"a rank at {what} is one that is missing, and no failure of the rank that connects" {
                  use mesh = TcpMesh.Listen IPAddress.Loopback
                  let places = [| struct (host, port); struct ("127.0.0.1", mesh.Port) |]

                  let failure =
                      Expect.throwsC
                          (fun () -> connect mesh 1 places (TimeSpan.FromMilliseconds 300.0) bound |> ignore)
                          (fun e -> e :?> CollectiveException)

                  Expect.equal failure.Peer (Nullable(Rank 0)) "whom it lacks"
                  Expect.stringContains failure.Message $"rank 0 at {host}:{port} (" "and why"
              }
          test "connecting goes on until the peer welcomes it" {
              let peer = new TcpListener(IPAddress.Loopback, 0)
              peer.Start()
              use mesh = TcpMesh.Listen IPAddress.Loopback

              let places =
                  [| struct ("127.0.0.1", (peer.LocalEndpoint :?> IPEndPoint).Port); struct ("127.0.0.1", mesh.Port) |]

              let serving () =
                  peer.AcceptSocket().Dispose()
                  use second = peer.AcceptSocket()
                  let words = Array.zeroCreate MeshHello.Length
                  (new NetworkStream(second)).ReadExactly(words, 0, words.Length)
                  second.Send [| MeshHello.Welcome |] |> ignore
                  words

              let connecting () =
                  (connect mesh 1 places bound bound).Dispose()
                  [||]

              let served = onThreads [| serving; connecting |] (fun act -> act ()) |> all
              Expect.equal served[0] (hello 7L token 1) "the second connection's hello"
              peer.Dispose()
          }
          test "closing the listener ends a forming under way" {
              whileRank0Connects 2 (fun meshes outcome ->
                  Expect.equal (say meshes[0].Port (hello 8L token 1)) [||] "rank 0 is connecting"
                  meshes[0].Dispose()

                  let failure =
                      Expect.throwsC (fun () -> outcome.Wait bound |> ignore) (fun e -> e.GetBaseException())

                  Expect.stringContains failure.Message "closed" "why")
          }
          test "a rank that comes before the other one begins is kept for it" {
              let meshes = Array.init 2 (fun _ -> TcpMesh.Listen IPAddress.Loopback)
              use early = new TcpClient("127.0.0.1", meshes[0].Port)
              early.GetStream().Write(ReadOnlySpan(hello 7L token 1))

              let first () =
                  use _ = connect meshes[0] 0 (endpoints meshes) bound bound
                  ()

              let answer () =
                  early.ReceiveTimeout <- int bound.TotalMilliseconds
                  Expect.equal (early.GetStream().ReadByte()) (int MeshHello.Welcome) "welcome"
                  early.Close()

              onThreads [| first; answer |] (fun act -> act ()) |> all |> ignore

              for mesh in meshes do
                  mesh.Dispose()
          }
          test "a crowd that says nothing, before and while a generation forms, keeps no rank out and is bounded" {
              let meshes = Array.init 3 (fun _ -> TcpMesh.Listen IPAddress.Loopback)

              let crowd =
                  [ for i in 0 .. 2 * GuardedListener.MostStrangers -> new TcpClient("127.0.0.1", meshes[i % 2].Port) ]

              let displaced = new TcpClient("127.0.0.1", meshes[0].Port)

              let more =
                  [ for _ in 1 .. GuardedListener.MostStrangers -> new TcpClient("127.0.0.1", meshes[0].Port) ]

              displaced.ReceiveTimeout <- int bound.TotalMilliseconds
              Expect.equal (displaced.GetStream().ReadByte()) -1 "let go for those who came behind it"

              let join (rank, mesh: TcpMesh) =
                  mesh.Connect(Rank rank, endpoints meshes, 7L, ReadOnlyMemory token, bound, bound)

              disposing (onThreads (Array.indexed meshes) join |> all) reduceTogether

              for client in displaced :: crowd @ more do
                  client.Dispose()

              for mesh in meshes do
                  mesh.Dispose()
          }
          test "the next generation forms over the same listeners" {
              let meshes = Array.init 3 (fun _ -> TcpMesh.Listen IPAddress.Loopback)

              for generation in 1L .. 3L do
                  let join (rank, mesh: TcpMesh) =
                      mesh.Connect(Rank rank, endpoints meshes, generation, ReadOnlyMemory token, bound, bound)

                  let ranks = onThreads (Array.indexed meshes) join |> all
                  disposing ranks reduceTogether

              for mesh in meshes do
                  mesh.Dispose()
          } ]
