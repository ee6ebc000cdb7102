module CnnCluster.Tests.Trainer.Data.SampleOrderTests

open Expecto
open FsCheck
open CnnCluster.Trainer.Data

[<Tests>]
let tests =
    testList
        "Trainer.Data.SampleOrder"
        [ testProperty "an epoch goes through every sample once"
          <| fun (seed: uint64) (NonNegativeInt epoch) (NonNegativeInt count) ->
              Expect.equal (SampleOrder.OfEpoch(seed, epoch, count) |> Array.sort) [| 0 .. count - 1 |] "each once"
          test "seed and epoch choose the order, and nothing else does" {
              let order seed epoch = SampleOrder.OfEpoch(seed, epoch, 100)
              Expect.equal (order 1uL 3) (order 1uL 3) "the same again"
              Expect.notEqual (order 1uL 3) (order 1uL 4) "another epoch"
              Expect.notEqual (order 1uL 3) (order 2uL 3) "another seed"
          } ]
