/// What a checkpoint holds of a replica, and what comes back.
module CnnCluster.Tests.Trainer.Training.ReplicaStateTests

open System.IO
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Tests.Trainer.Storage
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Storage
open CnnCluster.Trainer.Training

[<Tests>]
let tests =
    testList
        "Trainer.ReplicaState"
        [ test "frozen layers keep their weights and statistics, over any number of ranks and through a checkpoint" {
              TemporaryFolder.inFolder (fun folder ->
                  let frozen =
                      plan (
                          (pairs "batchnorm frozen" "    optimizer sgd lr=0.1")
                              .Replace("conv 4 5x5", "conv 4 5x5 frozen")
                      )

                  let values (replica: Replica) = flat replica.Buffers.Current
                  use replica = solo frozen
                  let names = [ for tensor in frozen.Network.Buffers -> tensor.Name ]
                  Expect.contains names "tower/conv1/kernel" "a frozen weight is a buffer"

                  // Values of their own, so that none could come from a fresh replica.
                  use _ = torch.no_grad ()
                  replica.Buffers.Current.add_ (Scalars.Of 0.25, Scalars.Of 1.0) |> ignore
                  let before = values replica
                  let weights = ReplicaState.WeightsHash replica
                  use _ = torch.enable_grad ()

                  for batch in
                      (loader frozen (TrainingCatalogues.Load(frozen, null)) replica.Collective).TrainEpoch(1, 0) do
                      replica.Take([| batch |], 0.1, false) |> ignore

                  Expect.equal (values replica) before "frozen weights and statistics"
                  Expect.notEqual (ReplicaState.WeightsHash replica) weights "the others are trained"
                  let path = Path.Combine(folder, "state.safetensors")

                  AtomicFile.Write(path, ReplicaState.Checkpoint(replica, Position(), "Pairs"))

                  use other = solo frozen
                  Expect.notEqual (values other) before "fresh"
                  ReplicaState.LoadWeights(other, path)
                  Expect.equal (values other) before "loaded"
                  Expect.equal (ReplicaState.WeightsHash other) (ReplicaState.WeightsHash replica) "weights"
                  agrees 2 frozen)
          }
          test "a checkpoint holds weights, buffers, optimizer state and position, and the weights come back" {
              TemporaryFolder.inFolder (fun folder ->
                  let plan = plan (small withBatchNorm $"{exact}    data digits train=64 test=10")
                  use replica = solo plan

                  for batch in (loader plan (TrainingCatalogues.Load(plan, null)) replica.Collective).TrainEpoch(1, 0) do
                      replica.Take([| batch |], 0.01, false) |> ignore

                  let path = Path.Combine(folder, "state.safetensors")

                  AtomicFile.Write(path, ReplicaState.Checkpoint(replica, Position(Step = replica.Step), "Small"))

                  let file = SafetensorsFile.Open path

                  for name in [ "conv1/kernel"; "dense1/bias"; "batchnorm1/mean"; "optimizer/velocity/conv1/kernel" ] do
                      Expect.isTrue (file.Contains name) name

                  Expect.equal (file.ReadInt64 "run/step") [| 4L |] "the step"
                  use other = solo plan
                  ReplicaState.LoadWeights(other, path)
                  Expect.equal (ReplicaState.WeightsHash other) (ReplicaState.WeightsHash replica) "weights"
                  Expect.equal (flat other.Buffers.Current) (flat replica.Buffers.Current) "buffers")
          }
          test "weights of another network are refused with the tensor's name" {
              TemporaryFolder.inFolder (fun folder ->
                  let settings = $"{exact}    data digits train=64 test=10"
                  use replica = solo (plan (small "" settings))
                  let path = Path.Combine(folder, "state.safetensors")

                  AtomicFile.Write(path, ReplicaState.Checkpoint(replica, Position(), "Small"))

                  use other = solo (plan (small "    batchnorm" settings))
                  let load () = ReplicaState.LoadWeights(other, path)

                  Expect.throwsC load (fun e ->
                      Expect.stringContains e.Message "batchnorm1/scale" "the tensor"
                      Expect.isTrue (e :? StateFileException) "the user's mistake"))
          } ]
