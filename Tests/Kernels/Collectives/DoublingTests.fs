/// Small buffers of many ranks, which go along the branches of the tree.
module CnnCluster.Tests.Kernels.Collectives.DoublingTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Kernels.Collectives.Implementations
open CnnCluster.Tests.Kernels.Collectives.Ranks

let private meshes = [ "TCP", tcp; "shared memory", sharedMemory ]

/// From none to the rule's greatest, which of 22 ranks is more than a block, and beyond it.
let private lengths world =
    [ 0; 1; 7; 1000; 512 * world; 512 * world + 1 ]

let private treeSums element (ranks: ICollective[]) =
    for length in lengths ranks.Length do
        let leaves =
            [ for rank in 0 .. ranks.Length - 1 -> Array.init length (sample rank) ]

        let expected = element.TreeSum leaves

        let sum (rank: ICollective) =
            use buffer = element.Tensor leaves[rank.Rank.Value]
            rank.AllReduceSum buffer
            bytesOf buffer

        for bytes in onThreads ranks sum |> all do
            Expect.isTrue (bytes.AsSpan().SequenceEqual(ReadOnlySpan expected)) $"{length} of {element.Type}"

let private haveTreeSums mesh world =
    disposing (mesh world bound) (fun ranks ->
        for element in elements do
            treeSums element ranks)

[<Tests>]
let tests =
    testList
        "Kernels.Collectives.Doubling"
        [ for name, mesh in meshes do
              // Powers of two; one rank more and one less; branches of unequal sides within others.
              for world in [ 8; 9; 15; 16; 22 ] do
                  test $"{name}: {world} ranks have the tree's bits" { haveTreeSums mesh world }

              test $"{name}: one of 11 that has another length ends the sum on all" {
                  for other in [ 0; 5; 10 ] do
                      // Who exchanges nothing with that one directly hears of it no sooner than by its own patience.
                      disposing (mesh 11 (TimeSpan.FromMilliseconds 300.0)) (fun ranks ->
                          let sum (rank: ICollective) =
                              use buffer = torch.ones [| (if rank.Rank.Value = other then 11L else 10L) |]
                              rank.AllReduceSum buffer

                          for result in onThreads ranks sum do
                              match result with
                              | Error(:? CollectiveException) -> ()
                              | other -> failtest $"expected a CollectiveException, got %A{other}")
              } ]
