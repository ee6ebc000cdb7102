module CnnCluster.Tests.Kernels.Optimization.OptimizerStepTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Kernels.Optimization.Arenas

let private segments =
    [ ArenaSegment("kernel", [| 2L |], L2 = 0.5); ArenaSegment("bias", [| 1L |]) ]

let private contents (arena: ParameterArena) =
    [ yield values arena.Parameters; yield values arena.Gradients; for state in arena.States -> values state ]

let private close expected actual =
    for e, a in List.zip expected actual do
        Expect.floatClose { absolute = 1e-12; relative = 1e-12 } a e $"{actual}"

[<Tests>]
let tests =
    testList
        "Kernels.OptimizerStep"
        [ for gradients in
              [ [ Double.NaN; 0.0; 0.0 ]
                [ 0.0; Double.PositiveInfinity; 0.0 ]
                [ 0.0; 0.0; Double.NegativeInfinity ]
                [ Double.PositiveInfinity; Double.NegativeInfinity; 0.0 ] ] do
              for dtype in [ torch.ScalarType.Float32; torch.ScalarType.Float64 ] do
                  test $"a gradient %A{gradients} of {dtype} is refused, and nothing has changed" {
                      use arena =
                          arenaOf dtype (Adam(0.1, 0.9, 0.999, 1e-7)) segments [ 1.0; 2.0; 3.0 ] gradients

                      let before = sprintf "%A" (contents arena)

                      let step =
                          OptimizerStep(arena, Adam(0.1, 0.9, 0.999, 1e-7), GradientClipping(ClippingKind.Value, 1.0))

                      let failure =
                          Expect.throwsC (fun () -> step.Apply(17L, 0.1) |> ignore) (fun e ->
                              e :?> NonFiniteGradientException)

                      Expect.stringContains failure.Message "step 17" "where"
                      Expect.equal (sprintf "%A" (contents arena)) before "parameters, gradients and states"
                  }
          test "the regularizers' gradient is added before clipping, and clipping before the update" {
              use arena =
                  arenaOf torch.ScalarType.Float64 plain segments [ 1.0; 2.0; 3.0 ] [ 0.25; 0.5; -4.0 ]

              let penalty =
                  OptimizerStep(arena, plain, GradientClipping(ClippingKind.Value, 1.5)).Apply(1L, 0.1)
              // Gradients with 2·λ·P: 1.25, 2.5, -4; clipped: 1.25, 1.5, -1.5.
              close [ 1.0 - 0.125; 2.0 - 0.15; 3.0 + 0.15 ] (values arena.Parameters)
              Expect.floatClose Accuracy.high penalty 2.5 "the loss of the parameters before the update"
          }
          test "without regularizers there is no penalty" {
              use arena =
                  arenaOf torch.ScalarType.Float64 plain [ ArenaSegment("bias", [| 2L |]) ] [ 1.0; 2.0 ] [ 1.0; 1.0 ]

              let step = OptimizerStep(arena, plain, null)
              Expect.equal (step.Apply(1L, 0.5)) 0.0 "no penalty"
              Expect.equal (step.Penalty()) 0.0 "none afterwards"
              close [ 0.5; 1.5 ] (values arena.Parameters)
          }
          test "the penalty is that of the parameters as they are" {
              use arena =
                  arenaOf torch.ScalarType.Float64 plain segments [ 2.0; 0.0; 5.0 ] [ 0.0; 0.0; 0.0 ]

              Expect.floatClose Accuracy.high (OptimizerStep(arena, plain, null).Penalty()) 2.0 "0.5·2²"
          }
          test "the schedule's rate counts, not the rule's own" {
              use arena =
                  arenaOf torch.ScalarType.Float64 plain [ ArenaSegment("bias", [| 1L |]) ] [ 0.0 ] [ 1.0 ]

              OptimizerStep(arena, plain, null).Apply(1L, 0.75) |> ignore
              close [ -0.75 ] (values arena.Parameters)
          } ]
