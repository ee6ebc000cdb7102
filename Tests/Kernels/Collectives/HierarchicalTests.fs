module CnnCluster.Tests.Kernels.Collectives.HierarchicalTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Kernels.Collectives.Ranks
open CnnCluster.Tests.Kernels.Collectives.Implementations

let private sumOf (ranks: ICollective[]) =
    let work (rank: ICollective) =
        use buffer = torch.tensor (Array.init 1003 (sample rank.Rank.Value))
        rank.AllReduceSum buffer
        bytesOf buffer

    onThreads ranks work |> all

[<Tests>]
let tests =
    testList
        "Kernels.Collectives.Hierarchical"
        [ for sizes in [ [ 4 ]; [ 2; 2 ]; [ 3; 4 ]; [ 1; 5; 2 ]; [ 8; 8 ]; [ 1; 1; 1 ] ] do
              test $"hosts of {sizes} ranks have the bits of as many ranks without hosts" {
                  let plain = disposing (inProcess (List.sum sizes) bound) sumOf
                  let ours = disposing (hosts sizes bound) sumOf
                  Expect.equal ours plain "bit for bit"
              }

          for hostOf, expected in
              [ [ 0; 0; 0 ], typeof<MeshCollective>
                [ 0; 1; 2 ], typeof<MeshCollective>
                [ 0; 0; 1 ], typeof<HierarchicalCollective>
                [ 0; 1; 1; 1 ], typeof<HierarchicalCollective>
                [ 0; 1; 0; 1 ], typeof<MeshCollective> ] do
              test $"ranks on hosts {hostOf} go by hosts where each host's ranks follow one another" {
                  disposing (onHosts hostOf bound) (fun ranks ->
                      for rank in ranks do
                          Expect.equal (rank.GetType()) expected "what sums"
                          Expect.equal rank.SpansHosts (List.distinct hostOf <> [ 0 ]) "hosts"

                      let plain = disposing (inProcess ranks.Length bound) sumOf
                      Expect.equal (sumOf ranks) plain "the bits of ranks without hosts")
              }

          test "who shares memory with whom makes hosts, or each rank is one" {
              let hostsOf rows =
                  MeshHosts.Of(rows |> List.map (List.map byte >> List.toArray) |> List.toArray).Ranks
                  |> Seq.toList

              Expect.equal (hostsOf [ [ 0; 1; 0 ]; [ 1; 0; 0 ]; [ 0; 0; 0 ] ]) [ 2; 1 ] "two and one"

              Expect.equal
                  (hostsOf [ [ 0; 1; 1 ]; [ 1; 0; 0 ]; [ 1; 0; 0 ] ])
                  [ 1; 1; 1 ]
                  "the first with both, these not with each other"

              Expect.equal (hostsOf [ [ 0; 1 ]; [ 0; 0 ] ]) [ 1; 1 ] "one says so, the other does not"
          }
          test "a leader whose host is gone is named by its rank among all" {
              disposing (hosts [ 2; 3 ] bound) (fun ranks ->
                  for rank in ranks[2..] do
                      rank.Dispose()

                  for result in onThreads ranks[..1] (fun rank -> rank.Barrier()) do
                      match result with
                      | Error(:? CollectiveException as e) ->
                          Expect.stringContains e.Message "rank 2 of all" "its rank"
                      | other -> failtest $"expected a CollectiveException, got {other}")
          }
          test "ranks that are not those of the hosts are refused" {
              let refuses what rank sizes (local: ICollective) leaders =
                  let make () =
                      new HierarchicalCollective(Rank rank, sizes, local, leaders) |> ignore

                  Expect.throwsT<ArgumentException> make what

              let locals = inProcess 2 bound
              use leader = new SoloCollective()
              refuses "another place on the host" 0 [| 2 |] locals[1] leader
              refuses "another number of ranks" 0 [| 3 |] locals[0] leader
              refuses "no leader" 0 [| 2 |] locals[0] null
              refuses "a second leader" 1 [| 2 |] locals[1] leader
              refuses "leaders of fewer hosts" 0 [| 2; 2 |] locals[0] leader
              refuses "a host without ranks" 0 [| 2; 0 |] locals[0] leader
          } ]
