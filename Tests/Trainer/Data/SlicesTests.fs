module CnnCluster.Tests.Trainer.Data.SlicesTests

open System
open Expecto
open FsCheck
open CnnCluster.Trainer.Data
open CnnCluster.Tests.Comparisons

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
          testProperty "slices by shares follow each other, cover the batch and are right to one sample"
          <| fun (NonNegativeInt samples) (shares: PositiveInt list) ->
              let shares = [| for PositiveInt share in shares -> share |]

              if shares.Length > 0 then
                  let slices =
                      [ for rank in 0 .. shares.Length - 1 ->
                            let struct (start, count) = Slices.Of(samples, rank, shares)
                            start, count ]

                  let counts = List.map snd slices
                  Expect.equal (List.sum counts) samples "covered"
                  Expect.equal (List.map fst slices) (counts |> List.scan (+) 0 |> List.take shares.Length) "contiguous"

                  for share, count in Seq.zip shares counts do
                      let fair = float samples * float share / float (Array.sum shares)
                      Expect.isLessThan (abs (float count - fair)) 1.0 "fair"
          test "32 samples over shares of 2, 1 and 1 are 16, 8 and 8" {
              let counts =
                  [ for rank in 0..2 ->
                        let struct (_, count) = Slices.Of(32, rank, [| 2; 1; 1 |])
                        count ]

              Expect.equal counts [ 16; 8; 8 ] "counts"
          }
          test "there is no slice for a rank outside of the world" {
              for rank in [ -1; 3 ] do
                  Expect.throwsT<ArgumentOutOfRangeException> (fun () -> Slices.Of(5, rank, 3) |> ignore) "refused"
          } ]
