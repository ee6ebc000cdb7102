/// What the coordinator's actor lets through to its side of the protocol.
module CnnCluster.Tests.Trainer.Coordination.CoordinatorTests

open System
open Akka.Actor
open Expecto
open Google.Protobuf
open CnnCluster.Tests.Trainer.Coordination
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Observation
open CnnCluster.Trainer.Protocol

let private patience = TimeSpan.FromSeconds 20.0

let private registration (token: byte[]) =
    RegisterWorker(
        JoinToken = ByteString.CopyFrom token,
        Slot = 0,
        Host = "here",
        ProcessId = 4711,
        Process = CoordinatorStage.processOf 1,
        Device = "cpu",
        Share = 1,
        Incarnation = ByteString.CopyFrom 1uy
    )

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.Coordinator"
        [ test
              "a worker whose process the cluster has given up is heard when the cluster has taken the process in again" {
              use system =
                  ActorSystem.Create("workers", "akka { loglevel = OFF, stdout-loglevel = OFF }")

              let settings = CoordinatorStage.settings 2 1 10

              let coordinator =
                  system.ActorOf(
                      Props.Create(fun () ->
                          new Coordinator(
                              settings,
                              ActorRefs.Nobody,
                              Action<RunOutcome> ignore,
                              ProcessObservation.OfEnvironment()
                          ))
                  )

              use worker = Inbox.Create system
              let address = worker.Receiver.Path.Address
              coordinator.Tell(Coordinator.Removed address)
              worker.Send(coordinator, registration (Array.zeroCreate 16))
              coordinator.Tell(Coordinator.Admitted address)
              worker.Send(coordinator, registration settings.JoinToken)
              let answer = worker.Receive patience
              Expect.isTrue (answer :? WorkerAccepted) $"not refused for the token that it showed before: {answer}"
          } ]
