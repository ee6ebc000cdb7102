module CnnCluster.Tests.Trainer.StateChannelTests

open System
open System.Collections.Concurrent
open System.IO
open System.Net
open System.Net.Sockets
open Expecto
open CnnCluster.Trainer.StateChannel

let private token = Array.init 16 byte

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
          test "a receiver that is gone is an error of the sender's" {
              let port = receiving (fun _ _ -> ()) id

              Expect.throwsT<IOException> (fun () -> send port token "x" [||]) "no one listens"
          } ]
