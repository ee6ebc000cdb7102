/// What a worker does of its run, over the generations that it is part of.
module CnnCluster.Tests.Trainer.Training.WorkerSessionTests

open Expecto
open TorchSharp
open CnnCluster.Tests.Trainer.Training.Replicas
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Training

let private plan =
    plan (small "" "    optimizer sgd\n    batch 16\n    epochs 3\n    data digits train=64 test=10")

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
          test "a core is left where a rank's own host has more of them than workers" {
              let members = [| for host in [ "a"; "b"; "a"; "a" ] -> Member(Host = host) |]

              let isLeft cores =
                  [ for rank in 0..3 -> WorkerSession.IsCoreLeft(members, rank, cores) ]

              Expect.equal (isLeft 1) [ false; false; false; false ] "one core"
              Expect.equal (isLeft 2) [ false; true; false; false ] "two"
              Expect.equal (isLeft 4) [ true; true; true; true ] "four"
          } ]
