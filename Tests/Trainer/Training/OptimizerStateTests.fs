/// What a run remembers of its optimizer and its schedule, over checkpoints and between epochs.
module CnnCluster.Tests.Trainer.Training.OptimizerStateTests

open System.IO
open Expecto
open Google.Protobuf
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Trainer.Storage
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Storage
open CnnCluster.Trainer.Training

/// Each rule with as many states as it can have.
let private optimizers =
    [ for rule in UpdateRules.All ->
          match rule.Name with
          | "sgd" -> "sgd lr=0.01 momentum=0.9 nesterov"
          | "rmsprop" -> "rmsprop momentum=0.5 centered"
          | "adam" -> "adam amsgrad weight-decay=0.1 coupled"
          | "adamw" -> "adamw amsgrad"
          | other -> other ]

let private planOf precision optimizer =
    plan (
        small
            "    batchnorm"
            $"    optimizer {optimizer}\n    precision {precision}\n    batch 16\n    data digits train=96 test=10"
    )

let private fresh (plan: TrainPlan) =
    new Replica(plan, torch.CPU, new SoloCollective())

let private batches (plan: TrainPlan) (replica: Replica) =
    [ for batch in (loader plan (TrainingCatalogues.Load(plan, null)) replica.Collective).TrainEpoch(1, 0) ->
          [| batch |] ]

let private take plan (replica: Replica) which =
    for batch in
        List.indexed (batches plan replica)
        |> List.filter (fst >> which)
        |> List.map snd do
        replica.Take(batch, learningRate plan, false) |> ignore

/// Reads everything that a checkpoint has of the optimizer, by its documented names.
let private restore (replica: Replica) (path: string) =
    ReplicaState.LoadWeights(replica, path)
    let file = SafetensorsFile.Open path

    for struct (state, views) in replica.Arena.StateViews do
        for segment, view in Seq.zip replica.Arena.Segments views do
            let name = $"{ReplicaState.OptimizerPrefix}{state}/{segment.Name}"

            use values =
                if replica.ElementType = torch.ScalarType.Float64 then
                    torch.tensor (file.ReadFloat64 name)
                else
                    torch.tensor (file.ReadFloat32 name)

            view.copy_ (values.reshape view.shape) |> ignore

    replica.Step <- (file.ReadInt64 ReplicaState.StepName)[0]

let private states (replica: Replica) =
    [ for tensor in Seq.append [ replica.Arena.Parameters ] replica.Arena.States -> flat tensor ]

let private plateauScript =
    small
        ""
        """    optimizer sgd lr=0.5
    schedule reduce-on-plateau factor=0.5 patience=3 min-lr=0.1 mode=max monitor=val_accuracy cooldown=1
    epochs 3
    batch 32
    data digits train=64 test=10"""

[<Tests>]
let tests =
    testList
        "Trainer.Optimizer state"
        [ for optimizer in optimizers do
              for precision in [ "float32"; "float64" ] do
                  test $"{optimizer} in {precision} goes on from a checkpoint as if it had not stopped" {
                      TemporaryFolder.inFolder (fun folder ->
                          let plan = planOf precision optimizer
                          use through = fresh plan
                          take plan through (fun _ -> true)

                          use first = fresh plan
                          take plan first (fun number -> number < 3)
                          let path = Path.Combine(folder, "state.safetensors")

                          AtomicFile.Write(
                              path,
                              ReplicaState.Checkpoint(first, Position(Step = first.Step), plan.Network.Name)
                          )

                          use second = fresh plan
                          restore second path
                          take plan second (fun number -> number >= 3)
                          Expect.equal second.Step through.Step "steps"
                          Expect.isTrue (states through = states second) "the same bits"
                          Expect.equal (ReplicaState.WeightsHash second) (ReplicaState.WeightsHash through) "weights")
                  }
          test "a schedule that follows a figure has it in the run's settings, and the position keeps what it found" {
              let plan = plan plateauScript

              match plan.Followed with
              | null -> failtest "it follows a figure"
              | followed ->
                  Expect.equal (followed.FigureName, followed.HigherIsBetter) ("val_accuracy", true) "the figure"

              let state =
                  PlateauState(HasBest = true, Best = 0.1, EpochsWithoutImprovement = 1, Cooldown = 2, Reductions = 3)

              let written = JsonFormatter.Default.Format(Position(Plateau = state))

              Expect.equal
                  (JsonParser.Default.Parse<Position> written).Plateau
                  state
                  "exact, through a checkpoint's text"
          }
          test "the rate of an epoch is what was decided on the one before, on every worker" {
              let plan = plan plateauScript
              let data = TrainingCatalogues.Load(plan, null)

              use session = new WorkerSession(Job(), plan, torch.CPU, data, null)

              let rateOf epoch =
                  session.TrainEpoch(epoch, (fun () -> false), ignore) |> ignore
                  session.LearningRate

              let decide epoch reductions =
                  session.Decide(
                      EpochDecided(
                          Epoch = epoch,
                          Step = session.Position.Step,
                          EarlyStopping = EarlyStoppingRule.Initial,
                          Plateau = PlateauState(Reductions = reductions)
                      )
                  )

              Expect.equal (rateOf 1) 0.5 "the optimizer's own"
              decide 1 1
              Expect.equal (rateOf 2) 0.25 "once"
              decide 2 9
              Expect.equal (rateOf 3) 0.1 "not below min-lr"
              Expect.equal session.Position.Plateau.Reductions 9 "kept for the next checkpoint"
          } ]
