module CnnCluster.Tests.Kernels.Optimization.GradientClippingTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Optimization.Arenas

let private segments =
    [ ArenaSegment("kernel", [| 1L; 2L |]); ArenaSegment("bias", [| 2L |]) ]

let private step arena clipping path =
    OptimizerStep(arena, plain, clipping, Path = path)

/// The gradients that the rule takes: at a rate of 1, what zeros are moved by.
let private clippedBy (unscale: float) path dtype kind limit gradients =
    use arena = arenaOf dtype plain segments [ 0.0; 0.0; 0.0; 0.0 ] gradients

    let applied, _ =
        (step arena (GradientClipping(kind, limit)) path).TryApply(1L, 1.0, unscale)

    Expect.isTrue applied "all are finite"
    values arena.Parameters |> List.map (~-)

let private clipped = clippedBy 1.0

let private close expected actual =
    for e, a in List.zip expected actual do
        Expect.floatClose { absolute = 1e-6; relative = 1e-6 } a e $"{actual}"

let private kinds =
    [ ClippingKind.Value; ClippingKind.Norm; ClippingKind.GlobalNorm ]

let private ofPath path =
    [ for dtype in [ torch.ScalarType.Float32; torch.ScalarType.Float64 ] do
          let clipped = clipped path dtype

          test $"{path}: by value, each element of {dtype} is brought into the range" {
              close [ 1.0; -1.0; 0.5; -0.25 ] (clipped ClippingKind.Value 1.0 [ 3.0; -4.0; 0.5; -0.25 ])
          }

          test $"{path}: by norm, each parameter's gradient of {dtype} keeps its direction" {
              close [ 0.6; -0.8; 0.3; 0.4 ] (clipped ClippingKind.Norm 1.0 [ 3.0; -4.0; 0.3; 0.4 ])
          }

          test $"{path}: by global norm, the whole gradient of {dtype} is shortened by one factor" {
              close [ 0.2; 0.4; -0.4; 0.8 ] (clipped ClippingKind.GlobalNorm 1.0 [ 1.0; 2.0; -2.0; 4.0 ])
          }

      for kind in kinds do
          test $"{path}, {kind}: a gradient within the limit is left alone" {
              Expect.equal
                  (clipped path torch.ScalarType.Float64 kind 5.0 [ 1.0; 2.0; -2.0; 3.0 ])
                  [ 1.0; 2.0; -2.0; 3.0 ]
                  "same"
          }

          test $"{path}, {kind}: the gradient of a scaled loss is bounded as that of the loss" {
              let gradients = [ 3.0; -4.0; 0.5; 2.0 ]

              close
                  (clipped path torch.ScalarType.Float32 kind 1.0 gradients)
                  (clippedBy (1.0 / 1024.0) path torch.ScalarType.Float32 kind 1.0 (gradients |> List.map ((*) 1024.0)))
          }

      for kind in [ ClippingKind.Norm; ClippingKind.GlobalNorm ] do
          for dtype, size in [ torch.ScalarType.Float32, 1e25; torch.ScalarType.Float64, 1e200 ] do
              test $"{path}, {kind}: squares beyond {dtype}'s range do not make the gradient vanish" {
                  close [ 0.6; 0.8; 0.0; 0.0 ] (clipped path dtype kind 1.0 [ 3.0 * size; 4.0 * size; 0.0; 0.0 ])
              } ]

[<Tests>]
let tests =
    testList
        "Kernels.GradientClipping"
        [ yield! ofPath UpdatePath.Fastest
          yield! ofPath UpdatePath.Tensors
          test "the norm is that of the gradient with its regularizers'" {
              let segments = [ ArenaSegment("kernel", [| 2L |], L1 = 1.0, L2 = 0.5) ]

              use arena =
                  arenaOf torch.ScalarType.Float64 plain segments [ 2.0; -3.0 ] [ 0.0; 0.0 ]

              let clipping = GradientClipping(ClippingKind.GlobalNorm, 0.5)
              OptimizerStep(arena, plain, clipping).Apply(1L, 1.0) |> ignore
              // sign(P) + P is (3, −4), of norm 5, and a tenth of it is left.
              close [ 2.0 - 0.3; -3.0 + 0.4 ] (values arena.Parameters)
          }
          test "the norm of many elements is as exact as a sum of doubles" {
              let size = 200_003
              let gradients = [ for i in 1..size -> float (float32 (sin (float i))) ]
              let segments = [ ArenaSegment("kernel", [| int64 size |]) ]

              use arena =
                  arenaOf torch.ScalarType.Float32 plain segments (List.replicate size 0.0) gradients

              let clipping = GradientClipping(ClippingKind.GlobalNorm, 1.0)
              OptimizerStep(arena, plain, clipping).Apply(1L, 1.0) |> ignore
              let norm = sqrt (gradients |> List.sumBy (fun g -> g * g))
              let expected = gradients |> List.map (fun g -> -g / norm)
              let differences = List.map2 (-) expected (values arena.Parameters)
              Expect.isLessThan (sqrt (differences |> List.sumBy (fun d -> d * d))) 1e-7 "of a gradient of norm 1"
          } ]
