module CnnCluster.Tests.Kernels.Arena.ParameterArenaTests

open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization

/// A rule that keeps one state which does not start at zero.
type private Counting() =
    inherit UpdateRule()
    override _.StateNames = [| "first"; "second" |]
    override _.InitialState state = if state = "second" then 0.5 else 0.0
    override _.LearningRate = 1.0
    override _.Apply _ = ()

let private arena extras =
    let segments =
        [ ArenaSegment("kernel", [| 2L; 2L |]); ArenaSegment("bias", [| 3L |]) ]

    new ParameterArena(segments, Counting(), torch.ScalarType.Float32, torch.CPU, extras)

let private values (tensor: torch.Tensor) = tensor.data<float32>().ToArray()

[<Tests>]
let tests =
    testList
        "Kernels.ParameterArena"
        [ test "parameters and gradients are views into two flat buffers" {
              use arena = arena 0
              arena.ParameterViews[1].fill_(Scalars.Of 2.0) |> ignore
              arena.GradientViews[0].fill_(Scalars.Of 3.0) |> ignore
              Expect.equal (values arena.Parameters) [| 0f; 0f; 0f; 0f; 2f; 2f; 2f |] "parameters"
              Expect.equal (values arena.Gradients) [| 3f; 3f; 3f; 3f; 0f; 0f; 0f |] "gradients"
          }
          test "extras travel behind the gradients" {
              use arena = arena 2
              arena.Extras.fill_ (Scalars.Of 9.0) |> ignore
              arena.Gradients.fill_ (Scalars.Of 1.0) |> ignore
              Expect.equal (values arena.ReductionBuffer) [| 1f; 1f; 1f; 1f; 1f; 1f; 1f; 9f; 9f |] "one buffer"
              Expect.isTrue (arena.ReductionBuffer.is_contiguous ()) "for one reduction"
          }
          test "zeroing reaches gradients and extras, not parameters" {
              use arena = arena 1
              arena.ReductionBuffer.fill_ (Scalars.Of 4.0) |> ignore
              arena.Parameters.fill_ (Scalars.Of 1.0) |> ignore
              arena.ZeroGradients()
              Expect.equal (values arena.ReductionBuffer) (Array.zeroCreate 8) "zero"
              Expect.equal (values arena.Parameters) (Array.create 7 1f) "as they were"
          }
          test "each state starts at the rule's value and is as long as the parameters" {
              use arena = arena 3
              Expect.sequenceEqual arena.StateNames [ "first"; "second" ] "the rule's names"

              Expect.equal
                  [ for state in arena.States -> values state ]
                  [ Array.zeroCreate 7; Array.create 7 0.5f ]
                  "initial values"
          }
          test "states have a view for each parameter" {
              use arena = arena 0

              let shapes =
                  [ for struct (name, views) in arena.StateViews -> name, [ for view in views -> view.shape ] ]

              Expect.equal
                  shapes
                  [ for name in [ "first"; "second" ] -> name, [ [| 2L; 2L |]; [| 3L |] ] ]
                  "in the parameters' shapes"
          } ]
