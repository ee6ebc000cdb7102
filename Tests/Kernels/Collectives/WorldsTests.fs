/// Every world that a run can have, 1 to 64: short buffers, in closed form.
module CnnCluster.Tests.Kernels.Collectives.WorldsTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Tests.Kernels.Collectives.Ranks
open CnnCluster.Tests.Kernels.Collectives.Implementations

let private most = 64

/// As many hosts as there are ranks, of eight each but for the last.
let private hostsOfEight world =
    hosts [ for ranks in List.chunkBySize 8 [ 1..world ] -> ranks.Length ]

let private single: Element = elements.Head

/// The rank's sum of the ranks, its sum of samples, and what the last rank had.
let private work world (rank: ICollective) =
    let summed (values: float[]) =
        use buffer = single.Tensor values
        rank.AllReduceSum buffer
        bytesOf buffer

    let own = rank.Rank.Value
    let ranks = summed (Array.create 3 (float own))
    let samples = summed (Array.init 7 (sample own))
    use buffer = single.Tensor [| float own; -(float own) |]
    rank.Broadcast(buffer, Rank(world - 1))
    rank.Barrier()
    ranks, samples, bytesOf buffer

let private expected world =
    let bytes values =
        use tensor = single.Tensor values
        bytesOf tensor

    let last = float (world - 1)

    bytes (Array.create 3 (float (world * (world - 1) / 2))),
    single.TreeSum [ for rank in 0 .. world - 1 -> Array.init 7 (sample rank) ],
    bytes [| last; -last |]

[<Tests>]
let tests =
    testList
        "Kernels.Collectives.Worlds (long)"
        [ for name, opened, worlds in
              [ "in-process", inProcess, [ 1..most ]
                "three hosts of threads", hierarchical, [ 1..most ]
                "hosts of eight threads", hostsOfEight, [ 8..8..most ] ] do
              test
                  $"{name}: up to world {most} the ranks add up to n(n-1)/2, samples along the tree, and the last one's buffer reaches all" {
                  for world in worlds do
                      let ended =
                          disposing (opened world bound) (fun ranks -> onThreads ranks (work world) |> all)

                      Expect.hasLength ended world "ranks"
                      Expect.allEqual ended (expected world) $"world {world}"
              } ]
