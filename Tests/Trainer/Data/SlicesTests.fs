module CnnCluster.Tests.Trainer.Data.SlicesTests

open System
open Expecto
open FsCheck
open CnnCluster.Trainer.Data

let private slices samples world =
    [ for rank in 0 .. world - 1 -> Slices.Of(samples, rank, world).ToTuple() ]

[<Tests>]
let tests =
    testList
        "Trainer.Data.Slices"
        [ testProperty "slices follow each other, cover the batch and differ by one at most, the longer ones first"
          <| fun (NonNegativeInt samples) (PositiveInt world) ->
              let slices = slices samples world
              let counts = slices |> List.map snd
              Expect.equal (List.sum counts) samples "covered"
              Expect.equal (slices |> List.map fst) (counts |> List.scan (+) 0 |> List.take world) "contiguous"
              Expect.equal counts (List.sortDescending counts) "longer ones first"
              Expect.isLessThanOrEqual (List.max counts - List.min counts) 1 "even"
          test "32 samples over 3 ranks are 11, 11 and 10" {
              Expect.equal (slices 32 3) [ 0, 11; 11, 11; 22, 10 ] "start and count"
          }
          test "one sample over 3 ranks leaves two slices empty" {
              Expect.equal (slices 1 3 |> List.map snd) [ 1; 0; 0 ] "counts"
          }
          test "there is no slice for a rank outside of the world" {
              for rank in [ -1; 3 ] do
                  Expect.throwsT<ArgumentOutOfRangeException> (fun () -> Slices.Of(5, rank, 3) |> ignore) "refused"
          } ]
