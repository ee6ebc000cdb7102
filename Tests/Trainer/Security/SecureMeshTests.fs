module CnnCluster.Tests.Trainer.Security.SecureMeshTests

open System
open System.Collections.Concurrent
open System.IO
open System.Net
open System.Net.Sockets
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Kernels.Collectives.Ranks
open CnnCluster.Tests.Trainer.Security
open CnnCluster.Trainer.Security

/// Meshes of one cluster's nodes, and what they turn away; a folder of that cluster's with an expired certificate.
let private secured folder world act =
    let node, old = Certificates.agedCluster folder "ours"
    let refusals = ConcurrentQueue<Refusal>()

    let meshes =
        Array.init world (fun _ ->
            TcpMesh.Listen(IPAddress.Loopback, Certificates.tls node, Action<_> refusals.Enqueue))

    try
        act old meshes refusals
    finally
        for mesh in meshes do
            mesh.Dispose()

let private formed shared (meshes: TcpMesh[]) =
    onThreads (Array.indexed meshes) (fun (rank, mesh) -> connectOver shared mesh rank (endpoints meshes) bound bound)
    |> all

let private sums (size: int) (ranks: ICollective[]) =
    let sum (rank: ICollective) =
        let values = Array.init size (fun i -> sin (float32 (i + rank.Rank.Value)))
        use buffer = torch.tensor values
        rank.AllReduceSum buffer
        buffer.bytes.ToArray()

    disposing ranks (fun ranks -> onThreads ranks sum |> all)

/// A connection that is opened with another security and shows the right hello; whether it was welcomed.
let private welcomed (security: IConnectionSecurity) port =
    task {
        use socket = new Socket(SocketType.Stream, ProtocolType.Tcp)
        do! socket.ConnectAsync("127.0.0.1", port)

        try
            use! stream =
                security.ConnectAsync(new SocketStream(socket), "127.0.0.1", Threading.CancellationToken.None)

            do! stream.WriteAsync(ReadOnlyMemory(MeshHello(7L, ReadOnlySpan token).From(Rank 1)))
            let answer = Array.zeroCreate 1
            let! count = stream.ReadAsync(Memory answer)
            return count = 1 && answer[0] = MeshHello.Welcome
        with :? IOException ->
            return false
    }

/// Rank 0 of two waits for the other one; a stranger comes first, then the rank that is waited for.
let private turnedAway (why: string) stranger =
    Cnn.inFolder (fun folder ->
        secured folder 2 (fun old meshes refusals ->
            let security: IConnectionSecurity = stranger folder old

            let first () =
                connect meshes[0] 0 (endpoints meshes) bound bound

            let second () =
                let answer = welcomed security meshes[0].Port
                Expect.isTrue (answer.Wait bound) "answered in time"
                Expect.isFalse answer.Result "turned away"
                connect meshes[1] 1 (endpoints meshes) bound bound

            let ranks = onThreads [| first; second |] (fun act -> act ()) |> all
            let both = sums 1000 ranks
            Expect.equal both[0] both[1] "and the ranks found each other"
            Expect.hasLength refusals 1 "one refusal"
            let said = Seq.head refusals
            Expect.stringContains said.From "127.0.0.1" "from where"
            Expect.stringContains said.Why why "why"))

/// What a rank answers to a peer that offers it a segment which is there to be found, and says which kernel it is under.
let private sharesWith (kernel: byte[]) =
    use listener = new TcpListener(IPAddress.Loopback, 0)
    listener.Start()
    use mesh = TcpMesh.Listen IPAddress.Loopback
    let port = (listener.LocalEndpoint :?> IPEndPoint).Port

    let places = [| struct ("127.0.0.1", port); struct ("127.0.0.1", mesh.Port) |]

    let message number (content: byte[]) =
        let header =
            MessageHeader(number, content.Length, Operation(OperationKind.Handover, int64 content.Length))

        let bytes = Array.zeroCreate MessageHeader.Size
        header.WriteTo(Span bytes)
        Array.append bytes content

    let peer () =
        use socket = listener.AcceptSocket()
        use stream = new NetworkStream(socket)
        let nonce = Array.zeroCreate SharedSegment.NonceBytes

        use _segment =
            SharedSegment.TryCreate(SharedLayout(WorldSize 2).SegmentBytes, Span nonce)

        stream.ReadExactly(Array.zeroCreate MeshHello.Length, 0, MeshHello.Length)
        stream.WriteByte MeshHello.Welcome
        stream.Write(ReadOnlySpan(message 0 (Array.append nonce kernel)))
        let answers = Array.zeroCreate (MessageHeader.Size + 48 + MessageHeader.Size + 1)
        stream.ReadExactly(answers, 0, answers.Length)
        stream.Write(ReadOnlySpan(message 1 [| 1uy |]))
        // With whom it shares memory: not with itself, and with rank 1 if both do.
        stream.Write(ReadOnlySpan(message 2 [| 0uy; Array.last answers |]))
        Array.last answers

    let rank () =
        (connectOver true mesh 1 places bound bound).Dispose()
        0uy

    (onThreads [| peer; rank |] (fun act -> act ()) |> all)[0]

[<Tests>]
let tests =
    testList
        "Trainer.Security.mesh"
        [ for world in [ 2; 3; 5 ] do
              for size in [ 1; 4_000; 300_000 ] do
                  test $"{world} ranks sum {size} values over TLS to the bits of plain connections" {
                      Cnn.inFolder (fun folder ->
                          secured folder world (fun _ meshes refusals ->
                              let secure = sums size (formed false meshes)
                              let plain = sums size (tcp world bound)
                              Expect.equal secure plain "the same bits"
                              Expect.isEmpty refusals "nobody is turned away"))
                  }
          test "ranks of one host share memory, also where their connections are TLS" {
              Cnn.inFolder (fun folder ->
                  secured folder 2 (fun _ meshes _ ->
                      Expect.equal (sums 100_000 (formed true meshes)) (sums 100_000 (tcp 2 bound)) "the same bits"))
          }
          test "who speaks no TLS is turned away from the data plane, though he has the token" {
              turnedAway "" (fun _ _ -> PlainConnections.Instance)
          }
          test "who has a certificate of another cluster is turned away from the data plane" {
              turnedAway "certificates" (fun folder _ ->
                  let theirs = Certificates.localNode folder "theirs"
                  File.Copy(Path.Combine(folder, "ours", "ca.pem"), Path.Combine(theirs, "ca.pem"), true)
                  new MutualTls(ClusterIdentity.ReadFiles theirs))
          }
          test "who has an expired certificate of our cluster is turned away from the data plane" {
              turnedAway "certificates" (fun _ old -> new MutualTls(ClusterIdentity.ReadFiles old))
          }
          test "memory is shared with a peer under the same kernel, and not with one that only sees the same folder" {
              Expect.equal (sharesWith RunningKernel.Identity) 1uy "the same kernel"
              Expect.equal (sharesWith (Array.create 32 7uy)) 0uy "another"
          } ]
