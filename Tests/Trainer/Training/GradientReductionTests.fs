/// Sums of gradients between hosts: bucket by bucket beside backward, and in 16 bits.
module CnnCluster.Tests.Trainer.Training.GradientReductionTests

open System
open System.IO
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Collectives
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Training
open CnnCluster.Trainer.Training.Gradients

/// Weights of 4.4, 0.01 and 4.5 MB, with sums over the batch between them.
let private large settings =
    $"""
network Large {{
    input 28x28x1
    flatten
    dense 1400 relu
    dense 1
    batchnorm
    dense 500 tanh
    dense 2200
    dense 10
}}

train Large {{
    data digits train=48 test=10
    loss cross-entropy
    optimizer sgd lr=0.01 momentum=0.9
    batch 12
    seed 3
{settings}
}}
"""
    |> plan

let private bucketsOf (plan: TrainPlan) least =
    use replica = new Replica(plan, torch.CPU, new SoloCollective())

    use network =
        NetworkModule.Create(plan.Network, plan.Seed, torch.float32, torch.CPU)

    [ for bucket in GradientBucket.Of(network, replica.Arena, least) -> bucket.Mark, bucket.Start, bucket.Length ]

/// What two ranks of two hosts, or three of which two share one, train.
let private between (hostOf: int list) = Ranks.onHosts hostOf Ranks.bound

/// Of so many batches an epoch.
let private smooth batches =
    plan (
        Cnn.smoothLenet
            $"    data digits train={32 * batches} test=10\n    optimizer sgd lr=0.01 momentum=0.9\n    batch 32\n    seed 5"
    )

/// What several tests compare with, by the number of ranks.
let private plainly =
    dict [ for ranks in [ 2; 3 ] -> ranks, lazy (trained ranks 1 (smooth 100))[0] ]

let private wires =
    [ WireFormat.BFloat16, 2e-5, 1e-4; WireFormat.Float16, 3e-6, 1e-5 ]

let private onWire format = Nullable format

let private checkpoint (plan: TrainPlan) (replica: Replica) (path: string) =
    use file = File.Create path

    ReplicaState
        .Checkpoint(replica, Position(Epoch = 1, Step = replica.Step, Sums = EpochSums()), plan.Network.Name)
        .Invoke
        file

/// Takes one epoch, and what rank 0 ends with is kept; or goes on from what was kept.
let private epoch (plan: TrainPlan) number begins (replica: Replica) =
    let loader = loader plan (TrainingCatalogues.Load(plan, null)) replica.Collective
    if begins then replica.BeginEpoch()

    for batch in loader.TrainEpoch(number, 0) do
        replica.Take([| batch |], learningRate plan, false) |> ignore

let private keepsTo format weights losses (hostOf: int list) =
    test $"{format} between hosts {hostOf}: 100 steps end where float32 does, to {weights}" {
        let plain = plainly[hostOf.Length].Value
        let ours = trainedOver (between hostOf) (onWire format) 1 (smooth 100)
        Expect.allEqual (ours |> Array.map _.Hash) ours[0].Hash "the same on every rank"
        Expect.notEqual ours[0].Hash plain.Hash "rounded"
        let drift = distance plain.Parameters ours[0].Parameters
        Expect.isLessThan drift weights "weights"

        for a, b in List.zip plain.Losses ours[0].Losses do
            Expect.isLessThan (abs (a - b)) losses "losses"
    }

[<Tests>]
let tests =
    testList
        "Trainer.Gradient reduction"
        [ test "buckets take the last layers first, and are as long as the rule says" {
              let plan = large ""
              let total = plan.Network.Parameters
              let buckets = bucketsOf plan GradientBucket.LeastBytes
              Expect.hasLength buckets 2 "the last 4.5 MB, and the rest"
              Expect.equal (buckets |> List.sumBy (fun (_, _, length) -> length)) total "all of them"

              for (mark, start, length), (next, nextStart, nextLength) in List.pairwise buckets do
                  Expect.isGreaterThan mark next "in falling order"
                  Expect.equal (nextStart + nextLength) start "one in front of the other"
                  Expect.isGreaterThanOrEqual (4L * length) GradientBucket.LeastBytes "long enough"

              Expect.equal
                  (let (mark, start, _) = List.last buckets in mark, start)
                  (GradientBucket.AtEnd, 0L)
                  "the rest"

              Expect.equal
                  (bucketsOf plan (4L * total + 4L))
                  [ GradientBucket.AtEnd, 0L, total ]
                  "one for a short network"
          }

          for hostOf in [ [ 0; 1 ]; [ 0; 0; 1 ]; [ 0; 1; 1; 2 ] ] do
              test $"on hosts {hostOf}, sums beside backward have the bits of one sum behind it" {
                  let plan = large ""
                  let plain = trained hostOf.Length 1 plan
                  let ours = trainedOver (between hostOf) (Nullable()) 1 plan
                  Expect.allEqual (ours |> Array.map _.Hash) plain[0].Hash "weights, on every rank"
                  Expect.equal ours[0].Losses plain[0].Losses "losses"
              }

          test "accumulated batches are summed once, behind the last" {
              let plan = large "    accumulate 2"
              let ours = trainedOver (between [ 0; 1 ]) (Nullable()) 1 plan
              let plain = trained 2 1 plan
              Expect.equal ours[0].Hash plain[0].Hash "weights"
          }

          for format, weights, losses in wires do
              keepsTo format weights losses [ 0; 0; 1 ]

          test "one host rounds nothing" {
              let plan = large ""

              let ours =
                  trainedOver (Ranks.sharedMemory 2 Ranks.bound) (onWire WireFormat.BFloat16) 1 plan

              let plain = trained 2 1 plan
              Expect.equal ours[0].Hash plain[0].Hash "the bits of float32"
          }

          test "a run goes on from a checkpoint at an epoch's end to the bits of one that was left alone" {
              Cnn.inFolder (fun folder ->
                  let smooth = smooth 20

                  let path rank =
                      Path.Combine(folder, $"{rank}.safetensors")

                  let twoRanks act =
                      Ranks.disposing (between [ 0; 1 ]) (fun ranks ->
                          Ranks.onThreads ranks (fun (rank: ICollective) ->
                              use replica = new Replica(smooth, torch.CPU, rank, null, onWire WireFormat.BFloat16)

                              act rank.Rank.Value replica
                              ReplicaState.WeightsHash replica)
                          |> Ranks.all)

                  let undisturbed begins =
                      twoRanks (fun rank replica ->
                          epoch smooth 1 true replica
                          checkpoint smooth replica (path rank)
                          epoch smooth 2 begins replica)

                  let whole = undisturbed true

                  let resumed =
                      twoRanks (fun rank replica ->
                          ReplicaState.LoadCheckpoint(replica, path rank) |> ignore
                          epoch smooth 2 true replica)

                  Expect.equal resumed whole "the same bits"
                  Expect.notEqual (undisturbed false) whole "remainders of the first epoch would have counted")
          } ]

[<Tests>]
let longTests =
    testList
        "Trainer.Gradient reduction (long)"
        [ for format, weights, losses in wires do
              keepsTo format weights losses [ 0; 1 ] ]
