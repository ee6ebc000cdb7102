/// Which workers are of one process: in containers several processes of one network have one host's name and one number.
module CnnCluster.Tests.Trainer.Coordination.ProcessTests

open System
open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Trainer.Coordination.CoordinatorStage

/// Five workers, the first of a process that the home has started, the second of another one with the same host and number.
let private besideANamesake () =
    let stage = Stage(settingsBeside 1 5)
    stage.Prepare(0, pid = 7)
    stage.Prepare(1, slot = -1, pid = 7)

    for worker in 2..4 do
        stage.Prepare(worker, slot = -1)

    stage.Ready([ 0..4 ], 0L)
    stage

let private registration () =
    RegisterWorker(
        JoinToken = ByteString.CopyFrom(Array.init 16 byte),
        Slot = -1,
        Host = "there",
        Device = "cpu",
        Share = 1,
        Process = processOf 1,
        Incarnation = ByteString.CopyFrom 1uy
    )

let private registrationWith change =
    let registration = registration ()
    change registration
    registration

let private answered message =
    let stage = Stage(settings 2 1 10)
    stage.Say(1, message)
    stage

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.CoordinatorMachine.Processes"
        [ for what, processes, isOne in [ "one process", [ 5; 5 ], true; "two processes", [ 5; 6 ], false ] do
              test $"workers of one host and number, and of {what}" {
                  let stage = Stage(settings 2 1 10)
                  List.iteri (fun worker of' -> stage.Prepare(worker, pid = 1, ofProcess = of')) processes
                  let form = stage.Last<FormGeneration> 0
                  Expect.equal form.OneProcess isOne "whether they sum as its threads"
                  let told = [ for m in form.Members -> m.Process ]
                  Expect.equal told (List.map processOf processes) "what one that takes the run over knows of them"
              }
          test "the end of the home's own process is none of another of its name and number" {
              let stage = besideANamesake ()
              stage.Handle(CoordinatorInput.ProcessLost(7, 137))
              stage.Halt([ 1..4 ], 3L)
              Expect.isEmpty (stage.Heard<Expelled> 1) "it lives"
              let form = stage.Last<FormGeneration> 1
              Expect.equal [ for m in form.Members -> m.Slot ] [ 1; 2; 3; 4 ] "and goes on"
          }
          test "nor is the other one taken for agreeing to be left" {
              let stage = besideANamesake ()
              stage.Handle(CoordinatorInput.ProcessLost(7, 137))
              stage.Wait(6.0, [ 4 ])
              stage.Halt([ 4 ], 3L)

              Expect.equal
                  stage.State
                  "Saving"
                  "one and the dead are no majority of five: the others may go on elsewhere"
          }
          test "a worker that says all that it must is taken in" {
              Expect.hasLength ((answered (registration ())).Heard<WorkerAccepted> 1) 1 "taken in"
          }
          for flaw, change in
              [ "without a process", (fun (r: RegisterWorker) -> r.Process <- ByteString.Empty)
                "without a process", (fun r -> r.Process <- ByteString.CopyFrom(Array.zeroCreate 15))
                "without a process", (fun r -> r.Process <- ByteString.CopyFrom(Array.zeroCreate 17))
                "with no share from 1 to 1000", (fun r -> r.Share <- 0)
                "with no share from 1 to 1000", (fun r -> r.Share <- -1)
                "with no share from 1 to 1000", (fun r -> r.Share <- 1001)
                "with too long a name", (fun r -> r.Host <- String('h', 256))
                "with too long a name", (fun r -> r.Device <- String('d', 1001))
                "with too long a name", (fun r -> r.Control <- String('c', 1001))
                "without a sensible incarnation", (fun r -> r.Incarnation <- ByteString.Empty)
                "without a sensible incarnation", (fun r -> r.Incarnation <- ByteString.CopyFrom(Array.zeroCreate 1001))
                "with too long a version", (fun r -> r.Versions["libtorch"] <- String('9', 1001)) ] do
              let message = registrationWith change

              let said =
                  $"{message.Process.Length} and {message.Incarnation.Length} bytes, share {message.Share}, names of {message.Host.Length}, {message.Device.Length} and {message.Control.Length}, {message.Versions.Count} versions"

              test $"a registration {flaw} is refused: {said}" {
                  let stage = answered message
                  Expect.stringContains (stage.First<WorkerRefused> 1).Reason flaw "what was wrong"
                  Expect.isEmpty (stage.Heard<WorkerAccepted> 1) "it is not taken in"
              } ]
