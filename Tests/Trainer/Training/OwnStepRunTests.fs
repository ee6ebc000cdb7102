/// Runs by a step of one's own, and what is refused of one.
module CnnCluster.Tests.Trainer.Training.OwnStepRunTests

open System
open System.IO
open System.Threading
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels.Collectives
open CnnCluster.Samples
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Training.OwnStepCases
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Storage
open CnnCluster.Trainer.Training

type private Functional = torch.nn.functional

/// One that gives what it is told to, for each slice.
type private Giving(give: StepSlice -> torch.Tensor) =
    inherit OwnStep(OwnLoss "given")
    override _.Forward slice = [| give slice |]

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
        "Trainer.OwnStep runs"
        [ test "a mean, a sum, or one value too many is refused with the loss' name" {
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
