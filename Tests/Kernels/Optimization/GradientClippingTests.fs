module CnnCluster.Tests.Kernels.Optimization.GradientClippingTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Kernels.Optimization.Arenas

let private segments =
    [ ArenaSegment("kernel", [| 1L; 2L |]); ArenaSegment("bias", [| 2L |]) ]

let private clipped dtype kind limit gradients =
    use arena = arenaOf dtype plain segments [ 0.0; 0.0; 0.0; 0.0 ] gradients
    GradientClipping(kind, limit).Apply arena
    values arena.Gradients

let private close expected actual =
    for e, a in List.zip expected actual do
        Expect.floatClose { absolute = 1e-6; relative = 1e-6 } a e $"{actual}"

let private kinds =
    [ ClippingKind.Value; ClippingKind.Norm; ClippingKind.GlobalNorm ]

[<Tests>]
let tests =
    testList
        "Kernels.GradientClipping"
        [ for dtype in [ torch.ScalarType.Float32; torch.ScalarType.Float64 ] do
              test $"by value, each element of {dtype} is brought into the range" {
                  close [ 1.0; -1.0; 0.5; -0.25 ] (clipped dtype ClippingKind.Value 1.0 [ 3.0; -4.0; 0.5; -0.25 ])
              }

              test $"by norm, each parameter's gradient of {dtype} keeps its direction" {
                  close [ 0.6; -0.8; 0.3; 0.4 ] (clipped dtype ClippingKind.Norm 1.0 [ 3.0; -4.0; 0.3; 0.4 ])
              }

              test $"by global norm, the whole gradient of {dtype} is shortened by one factor" {
                  close [ 0.2; 0.4; -0.4; 0.8 ] (clipped dtype ClippingKind.GlobalNorm 1.0 [ 1.0; 2.0; -2.0; 4.0 ])
              }
          for kind in kinds do
              test $"{kind}: a gradient within the limit is left alone" {
                  Expect.equal
                      (clipped torch.ScalarType.Float64 kind 5.0 [ 1.0; 2.0; -2.0; 3.0 ])
                      [ 1.0; 2.0; -2.0; 3.0 ]
                      "same"
              }

              test $"{kind}: a NaN is not hidden" {
                  let result = clipped torch.ScalarType.Float32 kind 1.0 [ Double.NaN; 1.0; 0.5; 0.5 ]
                  Expect.isTrue (Double.IsNaN result[0]) "still a NaN"
              }
          for kind in [ ClippingKind.Norm; ClippingKind.GlobalNorm ] do
              test $"{kind}: squares beyond float32's range do not make the gradient vanish" {
                  close [ 0.6; 0.8; 0.0; 0.0 ] (clipped torch.ScalarType.Float32 kind 1.0 [ 3e25; 4e25; 0.0; 0.0 ])
              } ]
