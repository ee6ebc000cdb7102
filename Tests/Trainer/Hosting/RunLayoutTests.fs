module CnnCluster.Tests.Trainer.Hosting.RunLayoutTests

open System
open Expecto
open CnnCluster.Trainer.Hosting
open CnnCluster.Tests.Comparisons

[<Tests>]
let tests =
    testList
        "Hosting.RunLayout"
        [ test "workers have as many threads as share the cores out, and one at least" {
              for world in 1..64 do
                  let threads = RunLayout.ThreadsFor world
                  Expect.isGreaterThanOrEqual threads 1 "one at least"

                  if world <= Environment.ProcessorCount then
                      Expect.isLessThanOrEqual (world * threads) Environment.ProcessorCount "no more than cores"

                      Expect.isGreaterThan
                          (world * (threads + 1))
                          Environment.ProcessorCount
                          "no core for one more each"
          } ]
