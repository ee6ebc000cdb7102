module CnnCluster.Tests.Kernels.Arena.BufferArenaTests

open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Arena

let private arena () =
    new BufferArena(
        [| ArenaSegment("bn/mean", [| 2L |]); ArenaSegment("bn/variance", [| 2L |]) |],
        torch.ScalarType.Float32,
        torch.CPU
    )

let private current (arena: BufferArena) = arena.Current.data<float32>().ToArray()

[<Tests>]
let tests =
    testList
        "Kernels.BufferArena"
        [ test "what a step writes counts only when it commits" {
              use arena = arena ()
              arena.BeginStep()
              arena.NextViews[0].fill_(Scalars.Of 5.0) |> ignore
              Expect.equal (current arena) [| 0f; 0f; 0f; 0f |] "not yet"
              arena.Commit()
              Expect.equal (current arena) [| 5f; 5f; 0f; 0f |] "committed"
          }
          test "a step that is given up leaves no trace in the next one" {
              use arena = arena ()
              arena.BeginStep()
              arena.NextViews[1].fill_(Scalars.Of 7.0) |> ignore
              arena.BeginStep()
              arena.NextViews[0].fill_(Scalars.Of 1.0) |> ignore
              arena.Commit()
              Expect.equal (current arena) [| 1f; 1f; 0f; 0f |] "only the second step's write"
          }
          test "a step begins from the current values" {
              use arena = arena ()
              arena.CurrentViews[1].fill_(Scalars.Of 3.0) |> ignore
              arena.BeginStep()
              arena.NextViews[1].neg_() |> ignore
              arena.Commit()
              Expect.equal (current arena) [| 0f; 0f; -3f; -3f |] "negated"
          }
          test "the segments are those it was made with" {
              use arena = arena ()
              Expect.equal [ for segment in arena.Segments -> segment.Name ] [ "bn/mean"; "bn/variance" ] "names"
          } ]
