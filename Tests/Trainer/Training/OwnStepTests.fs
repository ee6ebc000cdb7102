module CnnCluster.Tests.Trainer.Training.OwnStepTests

open System
open System.IO
open System.Threading
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels.Collectives
open CnnCluster.Samples
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Storage
open CnnCluster.Trainer.Training

type private Functional = torch.nn.functional

/// 37 samples in batches of 16: the last has five, so that slices are uneven, and empty from six ranks on.
let private settings precision =
    $"    data digits train=37 test=10\n    optimizer sgd lr=0.05 momentum=0.9\n    precision {precision}\n    batch 16\n    metric accuracy\n"

let private plain precision = plan (small "" (settings precision))

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

/// A step that computes what a script's `loss cross-entropy` does.
type private CrossEntropy() =
    inherit OwnStep(OwnLoss "label")

    override _.Forward slice =
        [| Functional.cross_entropy (slice.Outputs[0], slice.Targets[0], reduction = torch.nn.Reduction.None) |]

/// One that gives what it is told to, for each slice.
type private Giving(give: StepSlice -> torch.Tensor) =
    inherit OwnStep(OwnLoss "given")
    override _.Forward slice = [| give slice |]

/// One whose gradient of no samples is no number.
type private Undefined() =
    inherit CrossEntropy()

    override _.Backward(slice, losses) =
        base.Backward(slice, losses)

        if slice.Count = 0 then
            for gradient in slice.Gradients.Values do
                gradient.fill_ (Scalar.op_Implicit nan) |> ignore

let private steps: (string * TrainPlan * (unit -> OwnStep)) list =
    [ "two losses that change their own weights each, in F#", adversarial, (fun () -> OwnSteps.Adversarial())
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

let private rejects message give =
    let batches (replica: Replica) =
        let plan = plain "float32"
        (loader plan (TrainingCatalogues.Load(plan, null)) replica.Collective).TrainEpoch(1, 0)

    use replica =
        new Replica(plain "float32", torch.CPU, new SoloCollective(), Giving give)

    let failure =
        Expect.throwsC (fun () -> replica.Take([| Seq.head (batches replica) |], 0.1, false) |> ignore) id

    Expect.isTrue (failure :? UserException) $"{failure}"
    Expect.stringContains failure.Message message "what it says"

let private digits =
    small
        ""
        "    data digits train=64 test=32\n    batch 16\n    epochs 2\n    optimizer sgd lr=0.05\n    metric accuracy"

let private training: Training =
    Script.Training({ File = "own.cnn"; Text = digits }, null, [], TrainingCatalogues.All).Value

let private folderIn (folder: string) =
    RunFolder.Create(Path.Combine(folder, "run"), "own", DateTimeOffset.Now)

/// What a run says that is refused before it begins.
let private refused (layout: RunLayout) monitor =
    Cnn.inFolder (fun folder ->
        let plan =
            { training.Plan with
                EarlyStop =
                    { training.Plan.EarlyStop with
                        Monitor = monitor } }

        let request =
            RunRequest(
                Training = { training with Plan = plan },
                Layout = layout,
                OwnStep = Func<OwnStep>(fun () -> CrossEntropy())
            )

        use keeper = new RunKeeper(folderIn folder, [])

        let run () =
            TrainingRun.RunAsync(request, keeper, DataCache(), ignore, CancellationToken.None).GetAwaiter().GetResult()

        let failure = Expect.throwsC (run >> ignore) id
        Expect.isTrue (failure :? UserException) $"{failure}"
        failure.Message)

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
              let ends (makeStep: unit -> OwnStep) =
                  trainedBy makeStep 2 1 (plain "float64") |> Array.head |> _.Hash

              Expect.equal
                  (ends (fun () -> PerSampleClipping 0.5))
                  (ends (fun () -> OwnSteps.PerSampleClipping 0.5))
                  "clipped"

              Expect.equal (ends (fun () -> Centralised())) (ends (fun () -> OwnSteps.Centralised())) "centralised"
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
                  alone true (fun s -> Functional.softplus (-(score s 0)) + Functional.softplus (score s 1))

              let restorer = alone false (fun s -> Functional.softplus (-(score s 1)))
              replica.Take([| batch |], 0.0, false) |> ignore
              let both = flat replica.Arena.Gradients
              Expect.isLessThan (distance both (Array.map2 (+) critic restorer)) 1e-12 "the sum of the two"

              for c, r in Array.zip critic restorer do
                  Expect.isTrue (c = 0.0 || r = 0.0) "no weight gets of both"
          }
          test "what is computed from no samples is dropped, even if it is no number" {
              agrees (fun () -> Undefined()) 6 (plain "float64")
          }
          test "a mean, a sum, or one value too many is refused with the loss' name" {
              let values (slice: StepSlice) =
                  Functional.cross_entropy (slice.Outputs[0], slice.Targets[0], reduction = torch.nn.Reduction.None)

              rejects "'given' of the own step has the shape []" (fun slice -> (values slice).mean())
              rejects "one value for each of the 16 samples" (fun slice -> (values slice).unsqueeze 1L)
              rejects "depends on a trained weight" (fun slice -> (values slice).detach())
          }
          test "a loss that trains no weight is refused" {
              let step =
                  { new OwnStep(OwnLoss("lost", Trains = fun weight -> weight.StartsWith "critics")) with
                      override _.Forward slice = [| slice.Outputs[0].sum 1L |] }

              let failure =
                  Expect.throwsC
                      (fun () -> (new Replica(plain "float32", torch.CPU, new SoloCollective(), step)).Dispose())
                      id

              Expect.stringContains
                  failure.Message
                  "'lost' of the own step trains none of the weights conv1/kernel"
                  "what it says"
          }
          test "float16 is refused, since its loss would have to be scaled" {
              let failure =
                  Expect.throwsC
                      (fun () ->
                          (new Replica(plain "float16", torch.CPU, new SoloCollective(), Consistency())).Dispose())
                      id

              Expect.stringContains failure.Message "precision bfloat16 does without" "what does"
          }
          test "names are checked where a step is made" {
              Expect.throwsT<ArgumentException> (fun () -> OwnLoss "Label" |> ignore) "upper case"

              for losses in [ [||]; [| OwnLoss "a"; OwnLoss "a" |] ] do
                  Expect.throwsT<ArgumentException>
                      (fun () ->
                          { new OwnStep(losses) with
                              override _.Forward _ = [||] }
                          |> ignore)
                      "none, or twice"
          }
          test "a run of two workers trains by it, validates by it, and reports its losses and the script's metrics" {
              Cnn.inFolder (fun folder ->
                  let outcome =
                      (OwnSteps.train training (folderIn folder) (fun () -> Consistency())).GetAwaiter().GetResult()

                  Expect.equal outcome.Reason StopReason.Epochs $"{outcome}"
                  let values = outcome.Final.Values
                  let of' name = values[name]

                  Expect.floatClose
                      Accuracy.high
                      (of' "val_loss")
                      (of' "val_loss_label" + 0.5 * of' "val_loss_consistency")
                      "the sum"

                  Expect.isGreaterThan (of' "val_loss_consistency") 0.0 "the noise is there in validation"
                  Expect.isGreaterThan (of' "val_accuracy") 0.0 "a metric")
          }
          test "worker processes, and a figure to monitor that the step has not, are refused before the run" {
              Expect.stringContains
                  (refused (RunLayout(1, 2, [| "cpu" |], 1)) "val_loss")
                  "no worker processes"
                  "processes"

              Expect.stringContains
                  (refused (RunLayout(1, 0, [| "cpu" |], 1)) "val_loss_other")
                  "monitors 'val_loss_other'"
                  "monitor"
          } ]
