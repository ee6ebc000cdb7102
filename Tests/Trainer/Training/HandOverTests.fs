/// A worker whose state nobody takes, or keeps.
module CnnCluster.Tests.Trainer.Training.HandOverTests

open System
open System.Collections.Concurrent
open System.Net
open System.Net.Sockets
open System.Threading
open Expecto
open Google.Protobuf
open CnnCluster.Dsl
open CnnCluster.Tests.Cli
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.StateChannel
open CnnCluster.Trainer.Training

/// Where a process listened that is gone.
let private abandoned () =
    let listener = new TcpListener(IPAddress.Loopback, 0)
    listener.Start()
    let port = (listener.LocalEndpoint :?> IPEndPoint).Port
    listener.Stop()
    Endpoint(Host = "127.0.0.1", Port = port)

/// A home that takes what it is sent, and answers each time with these bytes.
let private answering (answer: byte[]) act =
    use listener = new TcpListener(IPAddress.Loopback, 0)
    listener.Start()

    let serveOne () =
        use client = listener.AcceptTcpClient()
        let stream = client.GetStream()

        try
            stream.Write(ReadOnlySpan answer)
            client.Client.Shutdown SocketShutdown.Send
            stream.CopyTo IO.Stream.Null
        with
        | :? IO.IOException
        | :? SocketException ->
            // The sender does not wait for more.
            ()

    let rec serve () =
        let isOver =
            try
                serveOne ()
                false
            with :? SocketException ->
                true

        if not isOver then serve ()

    let thread = Thread(serve, IsBackground = true, Name = "a home")
    thread.Start()
    act (Endpoint(Host = "127.0.0.1", Port = (listener.LocalEndpoint :?> IPEndPoint).Port))
    listener.Stop()
    Expect.isTrue (thread.Join(TimeSpan.FromSeconds 20.0)) "the home ends"

let private token = Array.init 16 byte

let private training =
    Script.Training(
        { File = "net.cnn"
          Text = Cnn.lenet (Runs.settings 1) },
        null,
        [],
        TrainingCatalogues.All
    )

/// What a worker says of a state that it is to send there.
let private handedOver receiver =
    let reports = new BlockingCollection<IMessage>()

    let next () =
        let mutable report: IMessage = null

        if not (reports.TryTake(&report, TimeSpan.FromSeconds 60.0)) then
            failtest "the worker says nothing"

        report

    use services = new WorkerServices(DataCache())

    use worker =
        new Worker("worker", "cpu", services, (fun report -> reports.Add report))

    let plan = training.Value
    worker.Prepare(0, Job(Script = plan.Canonical, TrainName = plan.Plan.Name, Threads = 1))
    Expect.isTrue (next () :? WorkerPrepared) "prepared"

    worker.Order(
        DeliverState(
            Name = "step-00000000",
            Content = StateContent.Checkpoint,
            Receiver = receiver,
            Token = ByteString.CopyFrom token
        )
    )

    match next () with
    | :? StateDelivered as delivered ->
        Expect.equal (delivered.Name, delivered.Token.ToByteArray()) ("step-00000000", token) "what was asked for"
        delivered
    | other -> failtest $"{other}"

[<Tests>]
let tests =
    testList
        "Trainer.Worker"
        [ test "that a coordinator is not there any more to take a state is no failure of the worker's" {
              let delivered = handedOver (abandoned ())
              Expect.stringContains delivered.Failure "refused" "why"
              Expect.isFalse delivered.Refused "nobody was there to refuse it"
          }
          for what, answer in
              [ "of no sensible length", [| 255uy; 255uy; 255uy; 127uy |]
                "of a negative length", [| 255uy; 255uy; 255uy; 255uy |]
                "that breaks off", [| 100uy; 0uy; 0uy; 0uy; 1uy |] ] do
              test $"nor is an answer {what} to it" {
                  answering answer (fun home ->
                      let delivered = handedOver home
                      Expect.stringContains delivered.Failure "The state channel" "why"
                      Expect.isFalse delivered.Refused "nobody has refused it")
              }
          test "nor is it that the home cannot keep it" {
              use receiver =
                  new StateReceiver(IPAddress.Loopback, token, (fun _ _ -> raise (IO.IOException "the disk is full")))

              let delivered = handedOver (Endpoint(Host = "127.0.0.1", Port = receiver.Port))
              Expect.equal (delivered.Failure, delivered.Refused) ("the disk is full", true) "the home's own words"
          } ]
