/// What a worker's actor lets through to its side of the protocol.
module CnnCluster.Tests.Trainer.Coordination.WorkerActorTests

open System
open System.Threading
open Akka.Actor
open Expecto
open CnnCluster.Tests.Trainer.Coordination
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Observation
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Training

let private idle =
    { new IWorker with
        member _.Prepare(_, _) = ()
        member _.Order _ = ()
        member _.StopAtNextStep() = ()
        member _.Halt _ = ()
        member _.Beat generation = Heartbeat(Generation = generation)
      interface IDisposable with
          member _.Dispose() = () }

let private pathAt port =
    $"akka.control-plane://cnn@127.0.0.1:{port}/user/coordinator"

let private patience = TimeSpan.FromSeconds 20.0

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.WorkerActor"
        [ for what, path in
              [ "nobody", ""
                "what is no path", "over there"
                "what only its own process could find", "akka://cnn/user/coordinator" ] do
              test $"a worker that is told to follow {what} does not, and follows the next that it is told of" {
                  use system =
                      ActorSystem.Create("workers", "akka { loglevel = OFF, stdout-loglevel = OFF }")

                  let seat = WorkerSeat((fun _ -> idle), pathAt 1)

                  let identity =
                      WorkerIdentity(
                          Array.zeroCreate 16,
                          -1,
                          "there",
                          42,
                          "cpu",
                          1,
                          pathAt 2,
                          true,
                          Process = CoordinatorStage.processOf 42
                      )

                  let worker =
                      system.ActorOf(
                          ActorFactory<WorkerActor>.Props(fun () ->
                              new WorkerActor(
                                  identity,
                                  pathAt 1,
                                  seat,
                                  null,
                                  ProcessObservation.OfEnvironment(),
                                  ignore
                              ))
                      )

                  worker.Tell(FollowCoordinator(Term = 2L, Coordinator = path))
                  worker.Tell(FollowCoordinator(Term = 1L, Coordinator = pathAt 3))
                  let follows () = seat.Coordinator = pathAt 3
                  Expect.isTrue (SpinWait.SpinUntil(follows, patience)) $"it follows {seat.Coordinator}"
              } ]
