/// Sums over the shards of a batch, whichever rank has them.
module CnnCluster.Tests.Kernels.Collectives.ShardTests

open System
open System.Threading
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives

let private length = 5000

/// Numbers of very different sizes, so that another order of additions has other bits.
let private leaf number =
    let random = Random(100 + number)
    Array.init length (fun _ -> float32 ((random.NextDouble() - 0.5) * Math.Pow(10.0, float (random.Next 12))))

let private tensorOf (values: float32[]) =
    torch.tensor (values, dtype = torch.float32)

let private numbers (tensor: torch.Tensor) = tensor.data<float32>().ToArray()

/// The leaves from one up to another, by the rule of the tree: all in front of the greatest power of two below their
/// number, then the rest.
let rec private expected from until =
    if until - from = 1 then
        leaf from
    else
        let middle = from + SumTree.FirstBranch(until - from)
        Array.map2 (+) (expected from middle) (expected middle until)

let private dealt world leaves rank =
    let cut r = r * leaves / world
    LeafRange(cut rank, cut (rank + 1))

/// What each leaf's thread sees when all of a rank's go through the group.
let private inLockstep (group: ShardGroup) (range: LeafRange) (work: int -> IBatchSum -> 'T) =
    group.Begin()

    [| range.From .. range.To - 1 |]
    |> Array.map (fun shard ->
        let mutable result = None

        let thread =
            Thread(
                (fun () -> group.Run(shard, fun () -> result <- Some(work shard (group.SumsOf shard)))),
                IsBackground = true
            )

        thread.Start()

        fun () ->
            if thread.Join Ranks.bound then
                result
            else
                failwith "a shard did not return in time")
    |> Array.map (fun wait -> wait ())

[<Tests>]
let tests =
    testList
        "Kernels.Shards"
        [ for leaves in [ 1; 2; 5; 7; 8; 13 ] do
              test $"{leaves} leaves have the tree's sum, to the bit, in any world" {
                  let whole = expected 0 leaves

                  for world in 1 .. min leaves 4 do
                      let sums =
                          Ranks.onRanks world (fun collective ->
                              let range = dealt world leaves collective.Rank.Value
                              use sums = new LeafSums(range, leaves, length, torch.float32, torch.CPU)
                              use result = torch.zeros (int64 length)
                              // Twice: what the first left behind counts for nothing.
                              for _ in 1..2 do
                                  use _ = torch.NewDisposeScope()
                                  sums.Fill(fun number -> tensorOf (leaf number))
                                  sums.Reduce(collective, result)

                              numbers result)

                      for sum in sums do
                          Expect.equal sum whole $"{world} ranks"
              }
          for world in [ 1; 2; 3 ] do
              test $"shards in lockstep on {world} ranks see the tree's sum, one sum after the other" {
                  let leaves = 7

                  let seen =
                      Ranks.onRanks world (fun collective ->
                          let range = dealt world leaves collective.Rank.Value
                          use group = new ShardGroup(collective, range, leaves)

                          inLockstep group range (fun shard sums ->
                              [ for _ in 1..3 do
                                    use buffer = tensorOf (leaf shard)
                                    sums.AllReduceSum buffer
                                    numbers buffer ]))

                  for sums in Array.concat seen do
                      Expect.equal sums (Some(List.replicate 3 (expected 0 leaves))) "each shard's"
              }
          test "a shard that fails ends the others' wait, and its failure is what the rank throws" {
              use collective = new SoloCollective()
              use group = new ShardGroup(collective, LeafRange(0, 3), 3)

              let ends =
                  inLockstep group (LeafRange(0, 3)) (fun shard sums ->
                      if shard = 2 then invalidOp "the third"

                      use buffer = tensorOf (leaf shard)
                      sums.AllReduceSum buffer)

              Expect.all ends Option.isNone "none has a sum"
              let failure = Expect.throwsC group.End id
              Expect.equal failure.Message "the third" "what went wrong"
          }
          test "a peer that is gone ends the wait of all shards, with the peer's loss as the reason" {
              let collectives = Ranks.inProcess 2 Ranks.bound

              Ranks.disposing collectives (fun collectives ->
                  let range = LeafRange(0, 2)
                  use group = new ShardGroup(collectives[0], range, 3)
                  collectives[1].Abort "it left"

                  let ends =
                      inLockstep group range (fun shard sums ->
                          use buffer = tensorOf (leaf shard)
                          sums.AllReduceSum buffer)

                  Expect.all ends Option.isNone "none has a sum"
                  let failure = Expect.throwsC group.End id
                  Expect.isTrue (failure :? CollectiveException) $"{failure}"
                  Expect.stringContains failure.Message "it left" "the reason")
          } ]
