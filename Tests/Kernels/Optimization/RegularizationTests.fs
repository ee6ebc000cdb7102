module CnnCluster.Tests.Kernels.Optimization.RegularizationTests

open Expecto
open TorchSharp
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Kernels.Optimization.Arenas

let private segments =
    [ ArenaSegment("lasso", [| 2L |], L1 = 0.3)
      ArenaSegment("ridge", [| 2L |], L2 = 0.05)
      ArenaSegment("elastic", [| 1L; 2L |], L1 = 0.2, L2 = 0.7)
      ArenaSegment("free", [| 2L |]) ]

let private parameters = [ 1.5; -2.0; 0.5; 3.0; -1.0; 0.25; 9.0; -9.0 ]
let private zeros = List.replicate 8 0.0

let private arena parameters =
    arenaOf torch.ScalarType.Float64 plain segments parameters zeros

let private lossAt parameters =
    use arena = arena parameters
    Regularization.Loss arena

/// The gradients that the rule takes: at a rate of 1, what the weights are moved by.
let private gradientsAt path parameters gradients =
    use arena = arenaOf torch.ScalarType.Float64 plain segments parameters gradients

    OptimizerStep(arena, plain, null, Path = path).Apply(1L, 1.0) |> ignore
    List.map2 (-) parameters (values arena.Parameters)

let private paths = [ UpdatePath.Fastest; UpdatePath.Tensors ]

let private close = { absolute = 1e-8; relative = 1e-8 }

[<Tests>]
let tests =
    testList
        "Kernels.Regularization"
        [ test "the loss sums λ|P| and λP² over the segments that have a factor" {
              let lasso = 0.3 * 3.5
              let ridge = 0.05 * 9.25
              let elastic = 0.2 * 1.25 + 0.7 * 1.0625
              Expect.floatClose close (lossAt parameters) (lasso + ridge + elastic) "closed form"
          }
          for path in paths do
              test $"{path}: the gradient is the loss' central difference" {
                  let h = 1e-5

                  for i, gradient in List.indexed (gradientsAt path parameters zeros) do
                      let moved by =
                          List.updateAt i (parameters[i] + by) parameters

                      let slope = (lossAt (moved h) - lossAt (moved -h)) / (2.0 * h)
                      Expect.floatClose { absolute = 1e-7; relative = 1e-7 } gradient slope $"element {i}"
              }

              test $"{path}: at zero, λ|P| has no slope" {
                  Expect.equal (gradientsAt path zeros zeros) zeros "sign(0) = 0"
              }

              test $"{path}: it adds to the gradients that are there" {
                  let found = gradientsAt path parameters (List.replicate 8 10.0)
                  Expect.floatClose close found.Head 10.3 "10 + λ"
                  Expect.equal (List.skip 6 found) [ 10.0; 10.0 ] "no factor, no change"
              }
          test "the loss of float32 weights is summed in double precision" {
              let size = 100_001
              let weight = float (float32 0.1)
              let segments = [ ArenaSegment("kernel", [| int64 size |], L1 = 0.5, L2 = 0.25) ]

              use arena =
                  arenaOf torch.ScalarType.Float32 plain segments (List.replicate size weight) (List.replicate size 0.0)

              let expected = float size * (0.5 * weight + 0.25 * weight * weight)
              Expect.floatClose { absolute = 0.0; relative = 1e-12 } (Regularization.Loss arena) expected "exact"
          } ]
