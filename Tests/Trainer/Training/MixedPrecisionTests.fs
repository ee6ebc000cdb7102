/// Products in 16 bits, everything else in float32, and a loss that is scaled where the range is small.
module CnnCluster.Tests.Trainer.Training.MixedPrecisionTests

open System
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Collectives
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Training

let private script precision settings =
    plan
        $"""
network N {{
    input 28x28x1
    conv 8 5x5 stride=2 relu
    batchnorm
    conv 8 3x3 relu
    maxpool 2x2
    flatten
    dense 32 tanh
    dense 10
}}

train N {{
    data digits train=64 test=32
    loss cross-entropy
    precision {precision}
    batch 32
    seed 3
{settings}
}}
"""

let private sgd = "    optimizer sgd lr=0.1"

let private batches (plan: TrainPlan) (collective: ICollective) =
    (loader plan (TrainingCatalogues.Load(plan, null)) collective).TrainEpoch(1, 0)
    |> List.ofSeq

/// The reduced gradient of one step.
let private gradient (plan: TrainPlan) =
    use collective = new SoloCollective()
    use replica = new Replica(plan, torch.CPU, collective)
    let mutable found = [||]
    replica.Reduced <- fun at -> found <- flat at.Arena.Gradients |> Array.map (fun g -> g / at.GradientScale)
    replica.Take([| (batches plan collective).Head |], 0.0, false) |> ignore
    found

let private apart (a: float[]) (b: float[]) =
    let norm values =
        values |> Array.sumBy (fun v -> v * v) |> sqrt

    norm (Array.map2 (-) a b) / norm b

/// A network whose scaled gradient overflows float16 at first: its logits are multiplied up by a fixed weight.
let private overflowing settings =
    plan
        $"""
network N {{
    input 28x28x1
    flatten
    dense 10 kernel-init=constant(0.05)
    dense 10 kernel-init=constant(40) frozen
}}

train N {{
    data digits train=64 test=32
    loss mse
    metric accuracy
    precision float16
    batch 16
    optimizer adam lr=1e-3
    seed 3
{settings}
}}
"""

let private fill (replica: Replica) (value: float) =
    use _ = torch.no_grad ()
    replica.Arena.Parameters.fill_ (Scalars.Of value) |> ignore

let private set (replica: Replica) (values: float[]) =
    use _ = torch.no_grad ()
    use values = torch.tensor (values, dtype = torch.float32)
    replica.Arena.Parameters.copy_ values |> ignore

let private skipping world =
    let plan = overflowing ""

    let train (collective: ICollective) =
        use replica = new Replica(plan, torch.CPU, collective)

        let steps =
            [ for batch in List.replicate 6 (batches plan collective) |> List.concat ->
                  let before = flat replica.Arena.Parameters
                  let step = replica.Take([| batch |], 0.001, false)
                  let after = flat replica.Arena.Parameters
                  Expect.equal (after = before) step.Skipped "a skipped step changes nothing, and no other does"
                  step.Skipped ]

        let scaling = LossScalingState()
        replica.WriteScaling scaling
        steps, replica.SkippedSteps, scaling.Scale, flat replica.Arena.Parameters

    Ranks.onRanks world train

[<Tests>]
let tests =
    testList
        "Trainer.Training.MixedPrecision"
        [ for precision, bits in [ "bfloat16", 8; "float16", 11 ] do
              test $"{precision}: a step's gradient is float32's within the type's precision" {
                  let expected = gradient (script "float32" sgd)
                  let found = gradient (script precision sgd)
                  let difference = apart found expected
                  Expect.isLessThan difference (16.0 * 2.0 ** -bits) "as many bits as the type has, and a few layers"
                  Expect.isGreaterThan difference 1e-6 "it is not float32 that was computed with"
              }

              test $"{precision}: weights, gradients and states are float32, and outputs too" {
                  let plan = script precision sgd
                  use collective = new SoloCollective()
                  use replica = new Replica(plan, torch.CPU, collective)
                  use _ = torch.NewDisposeScope()
                  let output = (replica.Predict (batches plan collective).Head).Outputs[0]

                  let types =
                      [ replica.Arena.Parameters.dtype; replica.Arena.Gradients.dtype; output.dtype ]

                  Expect.allEqual types torch.float32 "master weights"
              }

              test $"{precision}: training makes the loss less" {
                  let plan = script precision "    optimizer adam lr=3e-3"
                  use collective = new SoloCollective()
                  use replica = new Replica(plan, torch.CPU, collective)

                  let losses =
                      [ for _ in 1..10 do
                            for batch in batches plan collective do
                                (replica.Take([| batch |], 3e-3, false)).Loss ]

                  Expect.isLessThan (List.last losses) (losses.Head / 2.0) "after 20 steps"
              }

          test "weights that are smaller than 16 bits can add up still grow: they are kept in float32" {
              // lr·g is about 1e-4 of the weights, less than bfloat16's smallest step of 2^-8.
              let plan = script "bfloat16" "    optimizer sgd lr=1e-5"
              use collective = new SoloCollective()
              use replica = new Replica(plan, torch.CPU, collective)
              let before = flat replica.Arena.Parameters
              replica.Take([| (batches plan collective).Head |], 1e-5, false) |> ignore
              let moved = Array.map2 (fun a b -> a <> b) before (flat replica.Arena.Parameters)
              Expect.isGreaterThan (moved |> Array.filter id |> Array.length) (moved.Length / 2) "most weights moved"
          }

          test "a gradient that is not finite in float16 halves the scale and skips the step, on all workers alike" {
              for world in 1..2 do
                  let ranks = skipping world
                  let steps, skipped, scale, _ = ranks[0]
                  Expect.isTrue steps.Head "the first step overflows"
                  Expect.isFalse (List.last steps) "a later one does not"
                  Expect.equal skipped (int64 (steps |> List.filter id |> List.length)) "counted"
                  Expect.equal scale (LossScaling.Initial / 2.0 ** float skipped) "halved each time"
                  Expect.allEqual ranks ranks[0] "every rank does the same, and has the same weights"
          }

          test "skipped steps do not count as the optimizer's" {
              let plan = overflowing ""
              use collective = new SoloCollective()
              use replica = new Replica(plan, torch.CPU, collective)
              let batch = (batches plan collective).Head

              let before = flat replica.Arena.Parameters

              while (replica.Take([| batch |], 0.001, false)).Skipped do
                  ()

              // Adam's first update moves every weight that has a gradient by its rate.
              let moved =
                  Array.map2 (fun a b -> abs (a - b)) before (flat replica.Arena.Parameters)

              Expect.isGreaterThan replica.SkippedSteps 0L "some were skipped"
              Expect.floatClose { absolute = 1e-5; relative = 0.0 } (greatest moved) 0.001 "the rate itself"
          }

          for precision in [ "float16"; "bfloat16" ] do
              test $"a loss that stays infinite in {precision} ends the run rather than skip for ever" {
                  let plan = script precision sgd
                  use collective = new SoloCollective()
                  use replica = new Replica(plan, torch.CPU, collective)
                  let batch = (batches plan collective).Head
                  fill replica nan

                  Expect.throwsT<NonFiniteGradientException>
                      (fun () ->
                          for _ in 1..64 do
                              replica.Take([| batch |], 0.001, false) |> ignore)
                      "after 2^15 has been halved down to 2^-24, or as many steps"

                  Expect.equal replica.SkippedSteps 39L "steps until then"
              }

          test "a gradient that is not finite in bfloat16 skips the step, on all workers alike, and costs nothing else" {
              let plan = script "bfloat16" "    optimizer adam lr=1e-3"

              let train (collective: ICollective) =
                  use replica = new Replica(plan, torch.CPU, collective)
                  let batch = (batches plan collective).Head

                  let steps =
                      [ for isInfinite in [ false; true; true; false ] do
                            let before = flat replica.Arena.Parameters
                            if isInfinite then fill replica 1e30
                            let step = replica.Take([| batch |], 0.001, false)
                            let after = flat replica.Arena.Parameters

                            if isInfinite then
                                Expect.allEqual after (float 1e30f) "nothing is changed"
                                set replica before
                            else
                                Expect.isFalse (after = before) "an update"

                            step.Skipped ]

                  let scaling = LossScalingState()
                  replica.WriteScaling scaling
                  Expect.equal (scaling.Scale, scaling.GoodSteps) (1.0, 1) "no scale, and one good step in a row"
                  steps, replica.SkippedSteps, flat replica.Arena.Parameters

              for world in 1..2 do
                  let ranks = Ranks.onRanks world train
                  let steps, skipped, _ = ranks[0]
                  Expect.equal (steps, skipped) ([ false; true; true; false ], 2L) "those that were infinite"
                  Expect.allEqual ranks ranks[0] "every rank does the same, and has the same weights"
          }

          test "the scale doubles after many good steps" {
              let scaling = LossScaling(scales = true)

              for _ in 1 .. LossScaling.GrowthSteps do
                  scaling.Succeeded()

              Expect.equal (scaling.Scale, scaling.GoodSteps) (2.0 * LossScaling.Initial, 0) "doubled"
              Expect.isTrue (scaling.Failed()) "it may be halved"
              Expect.equal scaling.Scale LossScaling.Initial "halved"
          } ]
