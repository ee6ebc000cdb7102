/// What Akka concludes from silence, as a node has it set.
module CnnCluster.Tests.Trainer.ControlPlane.DetectionTests

open System
open System.Collections.Concurrent
open System.Threading
open Akka.Actor
open Akka.Cluster
open Akka.Remote
open Expecto
open CnnCluster.Tests.Trainer.ControlPlane.Peers
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Observation
open CnnCluster.Trainer.Security

let private token = Array.zeroCreate<byte> 16
let private observation = ProcessObservation.OfEnvironment()

let private startHome () =
    ClusterNode.StartHomeAsync(NodeNetwork.Loopback(), 0, token, observation, CancellationToken.None).Result

let private join (home: ClusterNode) =
    ClusterNode.JoinAsync(NodeNetwork.Loopback(), token, [| home.Address |], observation, CancellationToken.None).Result

let private leave (node: ClusterNode) =
    node.DisposeAsync().AsTask().Wait patience |> ignore

/// The number of another process's ActorSystem, once the cluster knows it.
let private numberOf (node: ClusterNode) (home: ClusterNode) =
    let known = new BlockingCollection<obj * IActorRef>()
    let props = Props.Create(typeof<Recorder>, [| box known |])
    let actor = home.System.ActorOf props
    let cluster = Cluster.Get home.System
    cluster.Subscribe(actor, ClusterEvent.InitialStateAsEvents, typeof<ClusterEvent.MemberUp>)

    let rec await () =
        let up = next<ClusterEvent.MemberUp> known

        if up.Member.Address = node.Address then
            up.Member.UniqueAddress.Uid
        else
            await ()

    await ()

[<Tests>]
let tests =
    testList
        "Trainer.ControlPlane.detection"
        [ test "a process that has stood still for a day takes nobody for gone whom it has not heard meanwhile" {
              let home = startHome ()

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
                  leave home
          }
          test "a node that another member does not hear any more ends its control plane, to build a new one" {
              let home = startHome ()
              let node = join home

              try
                  let number = numberOf node home

                  let remote =
                      (home.System :?> ExtendedActorSystem).Provider :?> IRemoteActorRefProvider

                  remote.Quarantine(node.Address, Nullable number)
                  Expect.isTrue (node.System.WhenTerminated.Wait patience) "its ActorSystem ends"
                  Expect.isFalse home.System.WhenTerminated.IsCompleted "the other one's does not"
              finally
                  leave node
                  leave home
          }
          test "that an actor has ended is its own process's to say" {
              let isFact existenceConfirmed addressTerminated =
                  Coordinator.IsOfItsOwnProcess(Terminated(Nobody.Instance, existenceConfirmed, addressTerminated))

              Expect.isTrue (isFact true false) "what its process says"
              Expect.isFalse (isFact true true) "a process that Akka takes for gone"
              Expect.isFalse (isFact false true) "a process that left the membership"
              Expect.isFalse (isFact false false) "a watch that was not sent"
          } ]
