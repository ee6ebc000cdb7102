module CnnCluster.Tests.Kernels.Collectives.SocketStreamTests

open System
open System.IO
open System.Net
open System.Net.Sockets
open System.Threading
open System.Threading.Tasks
open Expecto
open CnnCluster.Kernels.Collectives

let private bound = TimeSpan.FromSeconds 10.0
let private words = [| 1uy; 2uy; 3uy |]

/// A connection that looks again, the accepted side of it, and its own socket.
let private connected () : Task<SocketStream * Socket * Socket> =
    task {
        use listener = new TcpListener(IPAddress.Loopback, 0)
        listener.Start()
        let port = (listener.LocalEndpoint :?> IPEndPoint).Port

        let! struct (stream, socket) =
            SocketStream.ConnectLookingAsync("127.0.0.1", port, CancellationToken.None)

        let! accepted = listener.AcceptSocketAsync()
        return stream, socket, accepted
    }

/// Whether the thread that .NET has for all sockets is woken by this one: whether one of the process's epolls knows it.
let private isServed (socket: Socket) =
    let knows (info: string) =
        File.ReadAllLines info
        |> Array.exists (fun line ->
            line.StartsWith "tfd:"
            && int (line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) = int socket.Handle)

    let exists info =
        try
            knows info
        with :? IOException ->
            // It was closed meanwhile.
            false

    Directory.GetFiles "/proc/self/fdinfo" |> Array.exists exists

/// What a read hears that has to wait for it.
let private waits (stream: Stream) (other: Socket) =
    task {
        let heard = Array.zeroCreate<byte> 8
        let reading = stream.ReadAsync(Memory heard).AsTask()
        Expect.isFalse reading.IsCompleted "nothing has come"
        other.Send words |> ignore
        let! count = reading.WaitAsync bound
        return heard[.. count - 1]
    }

[<Tests>]
let tests =
    testList
        "Kernels.Collectives.SocketStream"
        [ testCaseTask "who looks again stays away from the thread for all sockets" (fun () ->
              task {
                  if not (OperatingSystem.IsLinux()) then skiptest "epoll is Linux's"

                  let! (stream: SocketStream), (socket: Socket), (accepted: Socket) = connected ()
                  use looking = stream
                  use served = new SocketStream(accepted)
                  let! heard = waits looking accepted
                  Expect.equal heard words "what the other side sent"
                  Expect.isFalse (isServed socket) "not known to it"
                  let! heard = waits served socket
                  Expect.equal heard words "and the other way round"
                  Expect.isTrue (isServed accepted) "known to it"
              })
          testCaseTask "more than fits on the way arrives whole" (fun () ->
              task {
                  let! (stream: SocketStream), (_: Socket), (accepted: Socket) = connected ()
                  use looking = stream
                  use other = new SocketStream(accepted, LooksAgain = true)
                  let sent = Array.init 20_000_000 (fun i -> byte (i * 7))
                  let arrived = Array.zeroCreate sent.Length
                  let writing = looking.WriteAsync(ReadOnlyMemory sent).AsTask()
                  do! other.ReadExactlyAsync(Memory arrived).AsTask().WaitAsync bound
                  do! writing.WaitAsync bound
                  Expect.isTrue (arrived.AsSpan().SequenceEqual sent) "the same bytes"
              })
          testCaseTask "a read that waits ends with the other side" (fun () ->
              task {
                  let! (stream: SocketStream), (_: Socket), (accepted: Socket) = connected ()
                  use looking = stream
                  let reading = looking.ReadAsync(Memory(Array.zeroCreate<byte> 8)).AsTask()
                  accepted.Dispose()
                  let! count = reading.WaitAsync bound
                  Expect.equal count 0 "the end"
              })
          testCaseTask "a read that waits can be given up" (fun () ->
              task {
                  let! (stream: SocketStream), (_: Socket), (accepted: Socket) = connected ()
                  use looking = stream
                  use _ = accepted
                  use ending = new CancellationTokenSource()

                  let reading =
                      looking.ReadAsync(Memory(Array.zeroCreate<byte> 8), ending.Token).AsTask()

                  ending.Cancel()

                  let! ended =
                      task {
                          try
                              let! _ = reading.WaitAsync bound
                              return false
                          with :? OperationCanceledException ->
                              return true
                      }

                  Expect.isTrue ended "given up"
              })
          testCaseTask "nobody at a port, or no such host, is said" (fun () ->
              task {
                  use listener = new TcpListener(IPAddress.Loopback, 0)
                  listener.Start()
                  let port = (listener.LocalEndpoint :?> IPEndPoint).Port
                  listener.Stop()

                  let failure host =
                      task {
                          try
                              let! (stream, _) =
                                  SocketStream.ConnectLookingAsync(host, port, CancellationToken.None)

                              stream.Dispose()
                              return None
                          with :? SocketException as e ->
                              return Some e.SocketErrorCode
                      }

                  let! refused = failure "127.0.0.1"
                  Expect.equal refused (Some SocketError.ConnectionRefused) "refused"
                  let! unknown = failure "no-such-host.invalid"
                  Expect.isSome unknown "unknown"
              }) ]
