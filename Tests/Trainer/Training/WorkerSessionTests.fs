/// What a worker does of its run, over the generations that it is part of.
module CnnCluster.Tests.Trainer.Training.WorkerSessionTests

open Expecto
open TorchSharp
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Training

let private planWith settings =
    plan (small "" $"    optimizer sgd\n    epochs 3\n    data digits train=64 test=10\n{settings}")

let private plan = planWith "    batch 16"

[<Tests>]
let tests =
    testList
        "Trainer.Worker session"
        [ for limit in [ 3L; 4L ] do
              test $"a run's last step of four is the {limit}th, also where its epoch is trained again" {
                  let data = TrainingCatalogues.Load(plan, null)
                  use session = new WorkerSession(Job(StepLimit = limit), plan, torch.CPU, data, null)

                  // The answer that the limit was reached may be lost with the generation that reached it.
                  for _ in 1..2 do
                      let stop = session.TrainEpoch(1, (fun () -> false), ignore)
                      Expect.equal (stop, session.Position.Step) (StopCause.StepLimit, limit) "no step more"
              }
          for batch, accumulate, steps in
              [ 16, 1, 4L
                16, 3, 2L
                60, 1, 2L
                // Their product is beyond 32 bits.
                65536, 65536, 1L
                16, System.Int32.MaxValue, 1L
                System.Int32.MaxValue, System.Int32.MaxValue, 1L ] do
              test
                  $"64 samples in batches of {batch}, {accumulate} a step, are {steps} steps an epoch, as the plan says" {
                  let plan = planWith $"    batch {batch}\n    accumulate {accumulate}"
                  Expect.equal (plan.StepsPerEpoch 64) steps "the plan"
                  let data = TrainingCatalogues.Load(plan, null)
                  use session = new WorkerSession(Job(), plan, torch.CPU, data, null)

                  for epoch in 1..2 do
                      session.TrainEpoch(epoch, (fun () -> false), ignore) |> ignore
                      Expect.equal session.Position.Step (int64 epoch * steps) $"epoch {epoch}"
              }
          test "a core is left where a rank's own host has more of them than workers" {
              let members = [| for host in [ "a"; "b"; "a"; "a" ] -> Member(Host = host) |]

              let isLeft cores =
                  [ for rank in 0..3 -> WorkerSession.IsCoreLeft(members, rank, cores) ]

              Expect.equal (isLeft 1) [ false; false; false; false ] "one core"
              Expect.equal (isLeft 2) [ false; true; false; false ] "two"
              Expect.equal (isLeft 4) [ true; true; true; true ] "four"
          } ]
