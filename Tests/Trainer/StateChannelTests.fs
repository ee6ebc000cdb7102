module CnnCluster.Tests.Trainer.StateChannelTests

open System
open System.Collections.Concurrent
open System.IO
open System.Net
open System.Net.Sockets
open Expecto
open CnnCluster.Kernels.Collectives
open CnnCluster.Trainer.StateChannel

let private token = Array.init 16 byte

/// A receiver, and what it turns away.
let private guarded act =
    let arrived, refusals =
        ConcurrentQueue<string * byte[]>(), new BlockingCollection<Refusal>()

    let keep name (stream: Stream) =
        use memory = new MemoryStream()
        stream.CopyTo memory
        arrived.Enqueue(name, memory.ToArray())

    use receiver =
        new StateReceiver(IPAddress.Loopback, token, Action<_, _> keep, refused = Action<_> refusals.Add)

    act receiver.Port arrived refusals

let private receiving (handle: string -> Stream -> unit) act =
    use receiver =
        new StateReceiver(IPAddress.Loopback, token, Action<_, _>(fun name stream -> handle name stream))

    act receiver.Port

let private send (port: int) (key: byte[]) name (content: byte[]) =
    StateSender.Send(
        "127.0.0.1",
        port,
        ReadOnlySpan key,
        name,
        Action<_>(fun stream -> stream.Write(ReadOnlySpan content))
    )

let private readAll (stream: Stream) =
    use memory = new MemoryStream()
    stream.CopyTo memory
    memory.ToArray()

[<Tests>]
let tests =
    testList
        "Trainer.StateChannel"
        [ for size in [ 0; 1; 1_000_000; 1 <<< 20; 3_333_333 ] do
              test $"content of {size} bytes arrives whole, under its name" {
                  let content = Array.init size (fun i -> byte (i * 31))
                  let arrived = ConcurrentQueue()

                  receiving (fun name stream -> arrived.Enqueue(name, readAll stream)) (fun port ->
                      send port token "step-7" content)

                  Expect.sequenceEqual arrived [ "step-7", content ] "the same bytes"
              }
          test "contents that follow each other do not mix" {
              let arrived = ConcurrentQueue()

              receiving (fun name stream -> arrived.Enqueue(name, readAll stream)) (fun port ->
                  for i in 1..5 do
                      send port token $"state {i}" [| byte i |])

              Expect.sequenceEqual arrived [ for i in 1..5 -> $"state {i}", [| byte i |] ] "in order"
          }
          test "the sender is told why its content was refused" {
              receiving (fun _ _ -> raise (IOException "the disk is full")) (fun port ->
                  let failure =
                      Expect.throwsC (fun () -> send port token "x" (Array.zeroCreate 2_000_000)) id

                  Expect.stringContains failure.Message "the disk is full" "the receiver's own words")
          }
          test "of a refusal longer than an answer, the sender is told what there is room for" {
              receiving (fun _ _ -> raise (IOException("x" + String('é', 20_000)))) (fun port ->
                  let failure = Expect.throwsC (fun () -> send port token "x" [| 1uy |]) id

                  match failure with
                  | :? StateRefusedException as refused ->
                      Expect.equal refused.Reason ("x" + String('é', 4_999)) "whole characters"
                  | other -> failtest $"{other}")
          }
          test "a sender without the run's token is turned away, and the next one is served" {
              let arrived = ConcurrentQueue()

              receiving (fun name _ -> arrived.Enqueue name) (fun port ->
                  Expect.throwsT<IOException>
                      (fun () -> send port (Array.zeroCreate 16) "stranger" [| 1uy |])
                      "refused"

                  send port token "friend" [||])

              Expect.sequenceEqual arrived [ "friend" ] "only the friend"
          }
          test "garbage and connections that close at once do not end the receiver" {
              let arrived = ConcurrentQueue()

              receiving (fun name _ -> arrived.Enqueue name) (fun port ->
                  for garbage in [ [||]; Array.create 500 255uy ] do
                      use client = new TcpClient("127.0.0.1", port)
                      client.GetStream().Write(ReadOnlySpan garbage)

                  send port token "after" [||])

              Expect.sequenceEqual arrived [ "after" ] "still serving"
          }
          for what, name, content in
              [ "a chunk over the bound", BitConverter.GetBytes 1, [| 255uy; 255uy; 255uy; 127uy; 1uy |]
                "a chunk of a negative length", BitConverter.GetBytes 1, [| 255uy; 255uy; 255uy; 255uy |]
                "a chunk that breaks off", BitConverter.GetBytes 1, [| 100uy; 0uy; 0uy; 0uy; 1uy; 2uy |]
                "a content without an end", BitConverter.GetBytes 1, [| 1uy; 0uy; 0uy; 0uy; 1uy |] ] do
              test $"{what} is nothing that arrives, and the next sender is served" {
                  guarded (fun port arrived _ ->
                      let hello = Array.concat [ "CNNSTAT1"B; token; name; "x"B ]
                      use client = new TcpClient("127.0.0.1", port)
                      client.GetStream().Write(ReadOnlySpan(Array.append hello content))
                      client.Client.Shutdown SocketShutdown.Send
                      send port token "after" [| 1uy |]
                      Expect.sequenceEqual arrived [ "after", [| 1uy |] ] "only the whole one")
              }
          for what, length in [ "over the bound", 201; "of a negative length", -1; "of all there is", Int32.MaxValue ] do
              test $"a name {what} is turned away before it is read" {
                  guarded (fun port _ refusals ->
                      use client = new TcpClient("127.0.0.1", port)

                      client
                          .GetStream()
                          .Write(ReadOnlySpan(Array.concat [ "CNNSTAT1"B; token; BitConverter.GetBytes length ]))

                      let mutable said = Unchecked.defaultof<Refusal>
                      Expect.isTrue (refusals.TryTake(&said, TimeSpan.FromSeconds 20.0)) "somebody says so"
                      Expect.equal said.To "the state channel" "what to"
                      Expect.stringContains said.Why "no sensible length" "why")
              }
          test "a receiver that is gone is an error of the sender's" {
              let port = receiving (fun _ _ -> ()) id

              Expect.throwsT<IOException> (fun () -> send port token "x" [||]) "no one listens"
          } ]
