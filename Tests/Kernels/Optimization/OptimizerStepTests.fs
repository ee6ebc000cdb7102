module CnnCluster.Tests.Kernels.Optimization.OptimizerStepTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Kernels.Optimization.Arenas

let private segments =
    [ ArenaSegment("kernel", [| 2L |], L2 = 0.5); ArenaSegment("bias", [| 1L |]) ]

let private everything (arena: ParameterArena) = values arena.Gradients, contents arena

/// A step of a rule that reads the gradient alone, at a rate of 1, from weights and gradients.
let private stepWith (rule: UpdateRule) clipping (rate: float) parameters gradients =
    use arena =
        arenaOf torch.ScalarType.Float64 rule [ ArenaSegment("kernel", [| 2L |]) ] parameters gradients

    OptimizerStep(arena, rule, clipping).Apply(1L, rate) |> ignore
    values arena.Parameters

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

                      let before = sprintf "%A" (everything arena)

                      let step =
                          OptimizerStep(arena, Adam(0.1, 0.9, 0.999, 1e-7), GradientClipping(ClippingKind.Value, 1.0))

                      let failure =
                          Expect.throwsC (fun () -> step.Apply(17L, 0.1) |> ignore) (fun e ->
                              e :?> NonFiniteGradientException)

                      Expect.stringContains failure.Message "step 17" "where"
                      Expect.equal (sprintf "%A" (everything arena)) before "parameters, gradients and states"
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
          }
          test "the gradient is left as it was reduced" {
              use arena =
                  arenaOf torch.ScalarType.Float64 plain segments [ 1.0; 2.0; 3.0 ] [ 0.25; 0.5; -4.0 ]

              let step =
                  OptimizerStep(arena, plain, GradientClipping(ClippingKind.GlobalNorm, 0.5))

              step.TryApply(1L, 0.1, 0.5) |> ignore
              Expect.equal (values arena.Gradients) [ 0.25; 0.5; -4.0 ] "for histograms and records"
          }
          test "the gradient of a scaled loss is unscaled before all else" {
              let after unscale gradients =
                  use arena =
                      arenaOf torch.ScalarType.Float64 plain segments [ 1.0; 2.0; 3.0 ] gradients

                  let step = OptimizerStep(arena, plain, GradientClipping(ClippingKind.Value, 1.5))

                  let applied, penalty = step.TryApply(1L, 0.1, unscale)
                  applied, penalty, values arena.Parameters

              Expect.equal (after 0.25 [ 1.0; 2.0; -16.0 ]) (after 1.0 [ 0.25; 0.5; -4.0 ]) "4 times the loss"
          }
          test "a step that cannot be taken says so, and the next one is as if it had not been" {
              let run scales =
                  let rule = Adam(0.1, 0.9, 0.999, 1e-7)

                  use arena =
                      arenaOf torch.ScalarType.Float32 rule segments [ 1.0; 2.0; 3.0 ] [ 0.0; 0.0; 0.0 ]

                  let step = OptimizerStep(arena, rule, null)

                  let applied =
                      [ for gradient in scales do
                            fill arena.Gradients [| gradient; 1.0; -1.0 |]
                            fst (step.TryApply(1L, 0.1, 1.0)) ]

                  applied, contents arena

              let applied, after = run [ infinity; nan; 0.5 ]
              Expect.equal applied [ false; false; true ] "the last one only"
              Expect.equal (run [ 0.5 ]) ([ true ], after) "the same bits"
          }
          test "decoupled decay takes its share of the weights first, and does not see the clipping" {
              let rule = Sgd(0.1, 0.0, false, Decay = WeightDecay(0.5, false))

              close
                  [ 2.0 - 0.1 * 0.5 * 2.0 - 0.1 * 1.0; -4.0 + 0.1 * 0.5 * 4.0 + 0.1 * 1.0 ]
                  (stepWith rule (GradientClipping(ClippingKind.Value, 1.0)) 0.1 [ 2.0; -4.0 ] [ 8.0; -8.0 ])
          }
          test "coupled decay joins the gradient behind the clipping" {
              let rule = Sgd(0.1, 0.0, false, Decay = WeightDecay(0.5, true))

              close
                  [ 2.0 - 0.1 * (1.0 + 0.5 * 2.0); -4.0 - 0.1 * (-1.0 - 0.5 * 4.0) ]
                  (stepWith rule (GradientClipping(ClippingKind.Value, 1.0)) 0.1 [ 2.0; -4.0 ] [ 8.0; -8.0 ])
          }
          test "with regularizers, clipping and decay at once, all ways give the same" {
              let size = 70_003

              let segments =
                  [ ArenaSegment("kernel", [| int64 size - 40L |], L1 = 1e-3, L2 = 1e-2)
                    ArenaSegment("bias", [| 40L |]) ]

              let numbers phase =
                  [ for i in 1..size -> float (float32 (sin (float i + phase))) ]

              let rule = Adam(0.1, 0.9, 0.999, 1e-7, true, Decay = WeightDecay(0.1, true))

              let after path kind =
                  use arena =
                      arenaOf torch.ScalarType.Float32 rule segments (numbers 0.0) (numbers 1.0)

                  OptimizerStep(arena, rule, GradientClipping(kind, 0.5), Path = path).Apply(1L, 0.1)
                  |> ignore

                  contents arena

              for kind in [ ClippingKind.Value; ClippingKind.Norm; ClippingKind.GlobalNorm ] do
                  let expected = after UpdatePath.Scalar kind
                  Expect.equal (after UpdatePath.Vector512 kind) expected $"{kind}: the same bits"
                  Expect.equal (after UpdatePath.Vector128 kind) expected $"{kind}: the same bits"

                  for right, found in List.zip expected (after UpdatePath.Tensors kind) do
                      for r, f in Array.zip right found do
                          Expect.floatClose { absolute = 1e-7; relative = 1e-5 } f r $"{kind}: tensors"
          }
          test "an arena that no cache holds, whose lines are fetched ahead, gets the same bits" {
              let segments = [ ArenaSegment("kernel", [| (1L <<< 20) + 5L |]) ]

              let after dtype path =
                  let rule = Adam(0.1, 0.9, 0.999, 1e-7, true)
                  let arena = new ParameterArena(segments, rule, dtype, torch.CPU, 0)
                  use numbers = torch.linspace (-1.0, 1.0, segments.Head.Length, dtype)
                  arena.Parameters.copy_ numbers |> ignore
                  arena.Gradients.copy_ (numbers.cos ()) |> ignore
                  OptimizerStep(arena, rule, null, Path = path).Apply(1L, 0.1) |> ignore
                  arena

              for dtype in [ torch.ScalarType.Float32; torch.ScalarType.Float64 ] do
                  use expected = after dtype UpdatePath.Scalar
                  use found = after dtype UpdatePath.Vector512
                  Expect.isTrue (found.Parameters.Equals expected.Parameters) $"{dtype}: parameters"

                  for right, state in Seq.zip expected.States found.States do
                      Expect.isTrue (state.Equals right) $"{dtype}: a state"
          }
          for definition in UpdateRules.All do
              test $"{definition.Name}: a step allocates nothing" {
                  let rule = definition.Create.Invoke(settingsOf definition [ "weight-decay", 0.01 ])

                  use arena =
                      arenaOf torch.ScalarType.Float32 rule segments [ 1.0; 2.0; 3.0 ] [ 1.0; -1.0; 0.5 ]

                  let step = OptimizerStep(arena, rule, GradientClipping(ClippingKind.Norm, 0.5))

                  let allocatedBy number =
                      let before = GC.GetAllocatedBytesForCurrentThread()
                      step.Apply(number, 0.01) |> ignore
                      GC.GetAllocatedBytesForCurrentThread() - before

                  // The first steps compile the code.
                  Expect.equal (Seq.min [ for number in 1L .. 5L -> allocatedBy number ]) 0L "no garbage"
              } ]
