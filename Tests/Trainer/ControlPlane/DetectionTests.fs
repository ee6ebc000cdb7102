/// What Akka concludes from silence, as a node has it set.
module CnnCluster.Tests.Trainer.ControlPlane.DetectionTests

open System
open System.Threading
open Akka.Actor
open Akka.Remote
open Expecto
open CnnCluster.Tests.Trainer.ControlPlane.Peers
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Observation
open CnnCluster.Trainer.Security

[<Tests>]
let tests =
    testList
        "Trainer.ControlPlane.detection"
        [ test "a process that has stood still for a day takes nobody for gone whom it has not heard meanwhile" {
              let home =
                  ClusterNode
                      .StartHomeAsync(
                          NodeNetwork.Loopback(),
                          0,
                          Array.zeroCreate 16,
                          ProcessObservation.OfEnvironment(),
                          CancellationToken.None
                      )
                      .Result

              try
                  let settings =
                      home.System.Settings.Config.GetConfig "akka.remote.watch-failure-detector"

                  let now = ref (TimeSpan.FromDays 1.0)

                  let detector =
                      PhiAccrualFailureDetector(
                          settings.GetDouble "threshold",
                          settings.GetInt "max-sample-size",
                          settings.GetTimeSpan "min-std-deviation",
                          settings.GetTimeSpan "acceptable-heartbeat-pause",
                          settings.GetTimeSpan "heartbeat-interval",
                          Clock(fun () -> int64 now.Value.TotalMilliseconds)
                      )

                  for _ in 1..60 do
                      detector.HeartBeat()
                      now.Value <- now.Value + TimeSpan.FromSeconds 1.0

                  Expect.isTrue detector.IsAvailable "it is heard"
                  now.Value <- now.Value + TimeSpan.FromDays 1.0
                  Expect.isTrue detector.IsAvailable "its silence is the coordinator's to judge"
              finally
                  home.DisposeAsync().AsTask().Wait patience |> ignore
          }
          test "that an actor has ended is its own process's to say" {
              let isFact existenceConfirmed addressTerminated =
                  Coordinator.IsOfItsOwnProcess(Terminated(Nobody.Instance, existenceConfirmed, addressTerminated))

              Expect.isTrue (isFact true false) "what its process says"
              Expect.isFalse (isFact true true) "a process that Akka takes for gone"
              Expect.isFalse (isFact false true) "a process that left the membership"
              Expect.isFalse (isFact false false) "a watch that was not sent"
          } ]
