/// The coordinator's rules where too few workers are left to it, and others may go on.
module CnnCluster.Tests.Trainer.Coordination.SteppingDownTests

open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Trainer.Coordination.CoordinatorStage

/// Three of five workers have promised themselves to another coordinator, and the other two stand at step 4.
let private outvoted () =
    let stage = begun 5

    for worker in 2..4 do
        stage.Say(worker, Superseded(Term = 1L))

    stage.Halt([ 0; 1 ], 4L)
    stage

let private registerAs (incarnation: int) (stage: Stage) worker generation =
    stage.Say(
        worker,
        RegisterWorker(
            JoinToken = ByteString.CopyFrom(Array.init 16 byte),
            Slot = -1,
            Host = "there",
            ProcessId = 1,
            Process = processOf worker,
            Share = 1,
            Generation = generation,
            Incarnation = ByteString.CopyFrom(byte incarnation)
        )
    )

/// A worker that was part of a generation registers again.
let private register stage worker generation =
    registerAs (worker + 1) stage worker generation

/// It does not know any more what it had promised as the member that it was.
let private comeAnew stage worker =
    registerAs (worker + 100) stage worker 1L

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.CoordinatorMachine.Stepping down"
        [ test "one that too few are left to keeps a state, and hands over those that the others may need" {
              let stage = outvoted ()
              Expect.equal stage.State "Saving" "it does not go on"
              Expect.hasLength (stage.Heard<SteppedDown> 1) 1 "at once"
              Expect.isEmpty (stage.Heard<SteppedDown> 0) "its state is to be kept first"
              stage.Deliver 0
              Expect.hasLength (stage.Heard<SteppedDown> 0) 1 "and then it too"
              Expect.isEmpty (List.collect stage.Heard<Dismiss> [ 0..4 ]) "nobody is sent home"
              let outcome = ended stage

              Expect.equal
                  (outcome.IsOutvoted, outcome.Checkpoint)
                  (true, "step-00000004")
                  "only its own part has ended"
          }
          test "those that it had given up hear that it leads no more, and not that they have to come anew" {
              let stage = outvoted ()

              for worker in 2..4 do
                  Expect.hasLength (stage.Heard<SteppedDown> worker) 1 "told"
                  Expect.isEmpty (stage.Heard<Expelled> worker) "their votes count on"
          }
          test "one that has not heard of it is told again as long as the state is written, and then left alone" {
              let stage = outvoted ()

              let told worker =
                  (stage.Heard<SteppedDown> worker).Length

              told 3 |> ignore
              stage.Say(3, Heartbeat(Generation = 1L))
              Expect.equal (told 3) 1 "it believes that it has a part in the run"
              register stage 3 1L
              Expect.equal (told 3) 1 "it looks for a coordinator"
              register stage 7 0L
              Expect.equal (stage.First<WorkerRefused> 7).Reason "the run is ending" "it never had a part in it"
              stage.Deliver 0
              stage.Heard<CoordinatorBeat> 1 |> ignore
              stage.Wait(3.0, [ 3 ])
              register stage 3 1L
              Expect.equal (told 3, stage.Heard<CoordinatorBeat> 1) (0, []) "silence has others chosen"
              Expect.isEmpty (stage.Heard<WorkerRefused> 3) "and ends nobody"
          }
          test "one that another has given up goes on where most are left to it" {
              let stage = begun 5
              stage.Say(4, Superseded(Term = 1L))
              stage.Halt([ 0..3 ], 4L)
              Expect.equal stage.State "Connecting" "four of five"
              Expect.isNonEmpty (stage.Heard<Expelled> 4) "it is to come anew"
              Expect.isEmpty (List.collect stage.Heard<SteppedDown> [ 0..4 ]) "it leads"
          }
          test
              "one that comes anew does not speak for the member that it was, whose word for another may have been lost" {
              let stage = begun 5
              comeAnew stage 4
              stage.Halt([ 0..3 ], 4L)
              Expect.equal (stage.Last<FormGeneration> 0).Members.Count 4 "without it"
              Expect.isNonEmpty (stage.Heard<WorkerAccepted> 4) "it is taken in"
              Expect.isEmpty (stage.Heard<Expelled> 4) "and not told to come anew once more"
              let stage = begun 5
              stage.Say(4, Superseded(Term = 1L))
              comeAnew stage 4
              stage.Halt([ 0..3 ], 4L)
              Expect.isEmpty (stage.Heard<Expelled> 4) "nor where that one is known to be given up"
              let stage = begun 5
              List.iter (comeAnew stage) [ 2..4 ]
              stage.Halt([ 0; 1 ], 4L)
              Expect.equal stage.State "Saving" "three of five may have chosen another"
          }
          test "where nobody is left to it, those that it had are handed over too" {
              let stage = begun 1
              stage.Say(0, Superseded(Term = 1L))
              Expect.hasLength (stage.Heard<SteppedDown> 0) 1 "its vote is all that there is"
              Expect.stringContains (ended stage).Message "No worker is left" "nothing is to be kept"
          } ]
