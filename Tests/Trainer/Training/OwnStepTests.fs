module CnnCluster.Tests.Trainer.Training.OwnStepTests

open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Dsl
open CnnCluster.Kernels.Collectives
open CnnCluster.Samples
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Training.OwnStepCases
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Training

type private Functional = torch.nn.functional

let private withBatchNorm =
    plan (small "    batchnorm\n    dropout 0.3" (settings "float64"))

let private adversarial =
    """
shared critic {
    conv 4 5x5 stride=3 leakyrelu(0.2)
    flatten
    dense 1
}

network Restorer {
    input left 28x28x1
    input right 28x28x1
    from left
    critic
    output real
    from right
    gaussiannoise 0.3
    conv 4 3x3 pad=same tanh
    conv 1 3x3 pad=same sigmoid
    critic
    output restored
}

train Restorer {
    data digit-pairs train=37 test=10
    loss binary-cross-entropy on=real target=same
    optimizer sgd lr=0.05 momentum=0.9
    precision float64
    batch 16
}
"""
    |> plan

/// N ranks end where one does.
let private agrees makeStep world plan =
    let alone = (trainedBy makeStep 1 2 plan)[0]
    let together = trainedBy makeStep world 2 plan
    Expect.allEqual (together |> Array.map _.Hash) together[0].Hash "every rank has the same weights"
    Expect.isLessThan (distance alone.Parameters together[0].Parameters) 1e-12 "weights"
    Expect.isLessThan (distance alone.Buffers together[0].Buffers) 1e-12 "running statistics"

    for a, b in
        List.zip (alone.Losses @ List.concat alone.Figures) (together[0].Losses @ List.concat together[0].Figures) do
        Expect.floatClose Accuracy.high b a "losses and figures"

/// One whose gradient of no samples is no number.
type private Undefined() =
    inherit CrossEntropy()

    override _.Backward(slice, losses) =
        base.Backward(slice, losses)

        if slice.Count = 0 then
            for gradient in slice.Gradients.Values do
                gradient.fill_ (Scalars.Of nan) |> ignore

let private steps: (string * TrainPlan * (unit -> OwnStep)) list =
    [ "two losses that change their own weights each, in F#", adversarial, (fun () -> OwnSteps.Adversarial())
      "two losses that change their own weights each, in C#", adversarial, (fun () -> Adversarial())
      "two losses and two passes, in C#", plain "float64", (fun () -> Consistency())
      "two passes with batch norm and dropout", withBatchNorm, (fun () -> Consistency())
      "a gradient by hand, in F#", plain "float64", (fun () -> OwnSteps.PerSampleClipping 0.5)
      "a gradient by hand, in C#", plain "float64", (fun () -> PerSampleClipping 0.5)
      "a gradient changed when it is reduced, in F#", plain "float64", (fun () -> OwnSteps.Centralised())
      "a gradient changed when it is reduced, in C#", plain "float64", (fun () -> Centralised()) ]

let private gradient makeStep world (plan: TrainPlan) =
    gradientBy makeStep world { plan with Batch = 37 }

let private lenet =
    plan (Cnn.lenet "    data digits train=37 test=10\n    optimizer sgd\n    batch 37")

let private inFloat32: (string * (unit -> OwnStep)) list =
    [ "two losses and two passes", (fun () -> Consistency())
      "a gradient by hand", (fun () -> PerSampleClipping 0.5)
      "a gradient changed when it is reduced", (fun () -> Centralised()) ]

[<Tests>]
let tests =
    testList
        "Trainer.OwnStep"
        [ for name, plan, makeStep in steps do
              for world in [ 2; 6 ] do
                  test $"{name}: {world} workers end where one does, uneven and empty slices included" {
                      agrees makeStep world plan
                  }
          for name, makeStep in inFloat32 do
              test $"{name}: LeNet-5's gradient over two workers is one worker's to 1e-6, in float32" {
                  let of' world = gradientBy makeStep world lenet
                  Expect.isLessThan (distance (of' 1) (of' 2)) 1e-6 "norm-relative"
              }
          test "the script's loss, written as a step of one's own, trains the same" {
              for world in [ 1; 3 ] do
                  let script = (trained world 2 withBatchNorm)[0]
                  let own = (trainedBy (fun () -> CrossEntropy()) world 2 withBatchNorm)[0]
                  Expect.isLessThan (distance script.Parameters own.Parameters) 1e-12 "weights"

                  for a, b in List.zip (List.concat script.Figures) (List.concat own.Figures) do
                      Expect.floatClose Accuracy.veryHigh b a "metrics"
          }
          test "accumulated batches make one step of all of them" {
              for makeStep in [ (fun () -> Consistency() :> OwnStep); (fun () -> OwnSteps.PerSampleClipping 0.5) ] do
                  let whole = (trainedBy makeStep 1 1 { plain "float64" with Batch = 32 })[0]

                  let parts =
                      (trainedBy
                          makeStep
                          3
                          1
                          { plain "float64" with
                              Batch = 8
                              Accumulate = 4 })[0]

                  Expect.isLessThan (distance whole.Parameters parts.Parameters) 1e-12 "weights"
          }
          test "F# and C# compute the same" {
              let ends plan (makeStep: unit -> OwnStep) =
                  trainedBy makeStep 2 1 plan |> Array.head |> _.Hash

              let same plan what oneStep otherStep =
                  Expect.equal (ends plan oneStep) (ends plan otherStep) what

              same (plain "float64") "clipped" (fun () -> PerSampleClipping 0.5) (fun () ->
                  OwnSteps.PerSampleClipping 0.5)

              same (plain "float64") "centralised" (fun () -> Centralised()) (fun () -> OwnSteps.Centralised())
              same adversarial "adversarial" (fun () -> Adversarial()) (fun () -> OwnSteps.Adversarial())
          }
          test "each sample's gradient counts for no more than the norm it is cut to" {
              let cut norm =
                  gradient (fun () -> OwnSteps.PerSampleClipping norm) 2 (plain "float64")

              let norm (g: float[]) = sqrt (Array.sumBy (fun x -> x * x) g)
              Expect.isLessThanOrEqual (norm (cut 0.01)) (0.01 + 1e-9) "the mean of 37 such"

              Expect.isLessThan
                  (distance (gradient (fun () -> CrossEntropy()) 2 (plain "float64")) (cut 1e9))
                  1e-9
                  "none is cut"
          }
          test "a loss changes the weights that it trains, and no others" {
              use replica =
                  new Replica(adversarial, torch.CPU, new SoloCollective(), OwnSteps.Adversarial())

              let data = TrainingCatalogues.Load(adversarial, null)

              let batch =
                  (loader adversarial data replica.Collective).TrainEpoch(1, 0) |> Seq.head

              /// What each loss by itself gives the weights of a name.
              let alone part (give: StepSlice -> torch.Tensor) =
                  let step =
                      { new OwnStep(OwnLoss("only", Trains = fun weight -> weight.StartsWith "critic" = part)) with
                          override _.Forward slice = [| give slice |] }

                  use replica = new Replica(adversarial, torch.CPU, new SoloCollective(), step)
                  replica.Take([| batch |], 0.0, false) |> ignore
                  flat replica.Arena.Gradients

              let score (slice: StepSlice) output = slice.Outputs[output].squeeze 1L

              let critic =
                  alone true (fun s -> -(Functional.logsigmoid (score s 0)) - Functional.logsigmoid (-(score s 1)))

              let restorer = alone false (fun s -> -(Functional.logsigmoid (score s 1)))
              replica.Take([| batch |], 0.0, false) |> ignore
              let both = flat replica.Arena.Gradients
              Expect.isLessThan (distance both (Array.map2 (+) critic restorer)) 1e-12 "the sum of the two"

              for c, r in Array.zip critic restorer do
                  Expect.isTrue (c = 0.0 || r = 0.0) "no weight gets of both"
          }
          test "a loss' weight is a finite number" {
              Expect.equal (OwnLoss("less", Weight = -0.5)).Weight -0.5 "a negative one has it made greater"

              for weight in [ nan; infinity; -infinity ] do
                  Expect.throwsT<System.ArgumentOutOfRangeException>
                      (fun () -> OwnLoss("lost", Weight = weight) |> ignore)
                      $"{weight}"
          }
          test "a loss names its weights anew in every step, and none changes none" {
              let named = ref [ "conv1" ]

              let step =
                  let trains (weight: string) =
                      named.Value |> List.exists (fun (name: string) -> weight.StartsWith name)

                  { new OwnStep(OwnLoss("only", Trains = trains)) with
                      override _.Forward slice = [| slice.Outputs[0].sum 1L |] }

              let plan = plain "float64"
              use replica = new Replica(plan, torch.CPU, new SoloCollective(), step)

              let batch =
                  (loader plan (TrainingCatalogues.Load(plan, null)) replica.Collective).TrainEpoch(1, 0)
                  |> Seq.head

              let changed () =
                  replica.Take([| batch |], 0.0, false) |> ignore

                  [ for segment, gradient in Seq.zip replica.Arena.Segments replica.Arena.GradientViews do
                        if Array.exists (fun number -> number <> 0.0) (flat gradient) then
                            segment.Name ]

              let convolution, dense =
                  [ "conv1/kernel"; "conv1/bias" ], [ "dense1/kernel"; "dense1/bias" ]

              for names, expected in
                  [ [ "conv1" ], convolution
                    [ "dense1" ], dense
                    [], []
                    [ "conv1"; "dense1" ], convolution @ dense
                    [ "conv1" ], convolution ] do
                  named.Value <- names
                  Expect.equal (changed ()) expected $"the weights of {names}"
          }
          test "what is computed from no samples is dropped, even if it is no number" {
              agrees (fun () -> Undefined()) 6 (plain "float64")
          } ]
