/// A worker's side of the protocol, rule by rule: each command once, and each answer as often as it is asked for.
module CnnCluster.Tests.Trainer.Coordination.WorkerMachineTests

open System
open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol

/// A worker's machine under a clock that is moved by hand.
type private Side() =
    let mutable now = 0.0
    let mutable incarnations = 0

    let machine =
        let identity =
            WorkerIdentity(Array.zeroCreate 16, 3, "here", 42, "cpu", 1, Process = CoordinatorStage.processOf 42)

        let incarnation () =
            incarnations <- incarnations + 1
            ByteString.CopyFrom(byte incarnations)

        WorkerMachine(identity, Func<ByteString> incarnation, TimeSpan.Zero)

    member _.Handle input =
        machine.Handle(input, TimeSpan.FromSeconds now) |> List.ofSeq

    member side.Hear(message: IMessage) =
        side.Handle(WorkerInput.Received message)

    member side.Report(message: IMessage) =
        side.Handle(WorkerInput.Reported message)

    member side.Tick seconds =
        now <- now + seconds
        side.Handle(WorkerInput.Tick())

/// What the effects send.
let private sent effects : IMessage list =
    effects
    |> List.choose (fun (effect: WorkerEffect) ->
        match effect with
        | :? WorkerEffect.Send as send -> Some send.Message
        | _ -> None)

/// What the effects order of the worker's thread.
let private ordered effects : IMessage list =
    effects
    |> List.choose (fun (effect: WorkerEffect) ->
        match effect with
        | :? WorkerEffect.Order as order -> Some order.Command
        | _ -> None)

let private halts effects =
    effects
    |> List.filter (fun (effect: WorkerEffect) -> effect :? WorkerEffect.Halt)
    |> List.length

let private reason effects =
    effects
    |> List.tryPick (fun (effect: WorkerEffect) ->
        match effect with
        | :? WorkerEffect.End as ending -> Some ending.Reason
        | _ -> None)

let private ready = WorkerReady(Generation = 1L, Position = Position())

/// With this worker, which has come once, as its only member.
let private formOf generation =
    let form = FormGeneration(Generation = generation)
    form.Members.Add(Member(Incarnation = ByteString.CopyFrom 1uy))
    form

/// Taken in, prepared, and a member of generation 1.
let private member1 () =
    let side = Side()
    side.Hear(WorkerAccepted(Slot = 3, Job = Job())) |> ignore
    side.Report(WorkerPrepared(DataPlane = Endpoint())) |> ignore
    side.Hear(formOf 1L) |> ignore
    side.Report ready |> ignore
    side

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.WorkerMachine"
        [ test "it registers, as the same one, until it is taken in" {
              let side = Side()

              let incarnation effects =
                  match sent effects with
                  | [ :? RegisterWorker as registration ] -> registration.Incarnation
                  | other -> failtest $"{other}"

              Expect.equal (incarnation (side.Tick 0.0)) (incarnation (side.Tick 0.3)) "one incarnation"
              Expect.hasLength (side.Hear(WorkerAccepted(Slot = 3, Job = Job()))) 1 "prepares"
              Expect.isEmpty (side.Hear(WorkerAccepted(Slot = 3, Job = Job()))) "once"
          }
          test "without a coordinator it ends after a minute" {
              let side = Side()
              side.Tick 300.0 |> ignore

              let ends seconds =
                  reason (List.collect side.Tick [ for _ in 1 .. 2 * seconds -> 0.5 ])

              Expect.isNone (ends 59) "what it stood still itself does not count"
              Expect.equal (ends 2) (Some "no coordinator answered within 60 s") "why"
              Expect.isEmpty (side.Tick 1.0) "for good"
          }
          test "a refusal, a dismissal, and the loss of the home or of its lead end it" {
              Expect.equal
                  (reason (Side().Hear(WorkerRefused(Reason = "no"))))
                  (Some "the run refused this worker: no")
                  "why"

              Expect.equal (reason ((member1 ()).Hear(Dismiss()))) (Some "") "all went well"
              Expect.equal (reason ((member1 ()).Handle(WorkerInput.HomeLost()))) (Some "the run's home is gone") "why"

              Expect.equal
                  (reason ((member1 ()).Hear(SteppedDown(Reason = "too few are left"))))
                  (Some "too few are left")
                  "it ends with the home"
          }
          test "that it is prepared is said again until it is part of a generation" {
              let side = Side()
              side.Hear(WorkerAccepted(Slot = 3, Job = Job())) |> ignore
              side.Report(WorkerPrepared(DataPlane = Endpoint())) |> ignore
              Expect.exists (sent (side.Tick 0.3)) (fun m -> m :? WorkerPrepared) "again"
              side.Hear(formOf 1L) |> ignore
              Expect.isEmpty (sent (side.Tick 0.3)) "no more"
          }
          test "that it could not be prepared is said again too" {
              let side = Side()
              side.Hear(WorkerAccepted(Slot = 3, Job = Job())) |> ignore
              let failure = WorkerFailed(Kind = FailureKind.Worker, Reason = "no memory")
              Expect.equal (sent (side.Report failure)) [ failure ] "said"
              Expect.contains (sent (side.Tick 0.3)) failure "again"
          }
          test "a command that is heard twice is done once, and its answer repeated" {
              let side = member1 ()
              let train = TrainEpoch(Generation = 1L, Epoch = 1)
              Expect.hasLength (ordered (side.Hear train)) 1 "done"
              Expect.isEmpty (side.Hear train) "under way"
              let answer = EpochTrained(Generation = 1L, Epoch = 1, Step = 10L)
              side.Report answer |> ignore
              let again = side.Hear train
              Expect.isEmpty (ordered again) "not done again"
              Expect.equal (sent again) [ answer ] "answered again"
          }
          test "what an earlier generation is told, and says, counts no more" {
              let side = member1 ()
              side.Hear(formOf 2L) |> ignore
              Expect.isEmpty (side.Hear(TrainEpoch(Generation = 1L, Epoch = 1))) "a stale command"
              Expect.isEmpty (side.Hear(formOf 1L)) "a stale generation"
              Expect.isEmpty (side.Hear(StopAtNextStep(Generation = 1L))) "a stale stop"
              Expect.isEmpty (side.Report(EpochTrained(Generation = 1L, Epoch = 1))) "a stale answer"
          }
          test "one that comes anew agrees to nothing as the member that it was" {
              let side = member1 ()
              side.Hear(formOf 2L) |> ignore
              side.Hear(Expelled(Reason = "was silent")) |> ignore
              side.Hear(WorkerAccepted(Slot = 4, Job = Job())) |> ignore
              Expect.isEmpty (side.Report(WorkerReady(Generation = 2L, Position = Position()))) "what was under way"

              for generation in [ 2L; 3L ] do
                  let heard = side.Hear(formOf generation)
                  Expect.isEmpty (ordered heard) "what it is told as that one"
                  Expect.all (sent heard) (fun m -> m :? RegisterWorker) "and says who it is"
                  Expect.hasLength heard 1 "once"

              Expect.isEmpty (side.Hear(TrainEpoch(Generation = 2L, Epoch = 1))) "nor trains"
              let form = formOf 3L
              form.Members.Add(Member(Incarnation = ByteString.CopyFrom 2uy))
              Expect.equal (ordered (side.Hear form)) [ form ] "as who it is"
          }
          test "a halt is obeyed once for each round, and answered again" {
              let side = member1 ()
              Expect.equal (halts (side.Hear(Halt(Round = 2L)))) 1 "obeyed"
              Expect.isEmpty (side.Hear(Halt(Round = 1L))) "an older round"
              Expect.isEmpty (side.Report(WorkerHalted(Round = 1L))) "nor its answer"
              let answer = WorkerHalted(Round = 2L, HasState = true)
              side.Report answer |> ignore
              Expect.equal (sent (side.Hear(Halt(Round = 2L)))) [ answer ] "again"
          }
          test "that a halt fails its collective is no news" {
              let side = member1 ()
              side.Hear(Halt(Round = 1L)) |> ignore
              Expect.isEmpty (side.Report(WorkerFailed(Generation = 1L, Kind = FailureKind.Peer))) "not said"
          }
          test "a failure is said again where the command comes again" {
              let side = member1 ()
              let train = TrainEpoch(Generation = 1L, Epoch = 1)
              side.Hear train |> ignore
              let failure = WorkerFailed(Generation = 1L, Kind = FailureKind.Peer, LostPeer = 2)
              Expect.equal (sent (side.Report failure)) [ failure ] "said"
              Expect.equal (sent (side.Hear train)) [ failure ] "again"
          }
          test "one that was given up stops, and registers anew as another" {
              let side = member1 ()
              Expect.equal (halts (side.Hear(Expelled(Reason = "was silent")))) 1 "stops"
              Expect.isEmpty (side.Hear(Expelled(Reason = "was given up"))) "once"

              match sent (side.Tick 0.1) with
              | [ :? RegisterWorker as registration ] ->
                  Expect.equal registration.Incarnation (ByteString.CopyFrom 2uy) "another incarnation"
              | other -> failtest $"{other}"
          }
          test "that it is given up fails its collective: no news, and no reason to give it up again" {
              let side = member1 ()
              side.Hear(TrainEpoch(Generation = 1L, Epoch = 1)) |> ignore
              side.Hear(Expelled(Reason = "was silent")) |> ignore
              side.Hear(WorkerAccepted(Slot = 3, Job = Job())) |> ignore
              Expect.isEmpty (side.Report(WorkerFailed(Generation = 1L, Kind = FailureKind.Peer))) "not said"
          }
          test "one that is given up while it prepares comes back too" {
              let side = Side()
              side.Hear(WorkerAccepted(Slot = 3, Job = Job())) |> ignore
              Expect.isNone (reason (side.Hear(Expelled(Reason = "was silent")))) "does not end"
              Expect.exists (sent (side.Tick 0.1)) (fun m -> m :? RegisterWorker) "registers anew"
          }
          test "one that is given up after a failure of its own does not come back" {
              let side = member1 ()

              side.Report(WorkerFailed(Generation = 1L, Kind = FailureKind.Worker, Reason = "x"))
              |> ignore

              Expect.isSome (reason (side.Hear(Expelled(Reason = "failed: x")))) "ends"
          }
          test "a state is delivered once, and one whose request came too late is missed" {
              let side = member1 ()

              let request again name =
                  DeliverState(Generation = 1L, Name = name, Again = again)

              Expect.hasLength (ordered (side.Hear(request false "step-1"))) 1 "delivered"
              Expect.isEmpty (side.Hear(request true "step-1")) "under way"
              side.Report(StateDelivered(Name = "step-1")) |> ignore
              Expect.equal (sent (side.Hear(request true "step-1"))) [ StateDelivered(Name = "step-1") ] "said again"

              Expect.equal
                  (sent (side.Hear(request true "step-2")))
                  [ StateDelivered(Name = "step-2", Missed = true) ]
                  "that state is no more"
          }
          test "the best weights of a later epoch are other ones, by the same name" {
              let side = member1 ()

              let request step =
                  DeliverState(
                      Generation = 1L,
                      Name = StateNames.Best,
                      Decided = EpochDecided(EarlyStopping = EarlyStoppingState(BestEpoch = 1, BestStep = step))
                  )

              Expect.hasLength (ordered (side.Hear(request 10L))) 1 "delivered"
              side.Report(StateDelivered(Name = StateNames.Best)) |> ignore
              Expect.isEmpty (ordered (side.Hear(request 10L))) "they have gone"
              Expect.hasLength (ordered (side.Hear(request 20L))) 1 "these have not"
              side.Report(StateDelivered(Name = StateNames.Best)) |> ignore
              Expect.isEmpty (ordered (side.Hear(request 20L))) "now they have"
          }
          test "a state that nobody takes does not make a worker one that has failed, and is asked for again" {
              let side = member1 ()
              let request = DeliverState(Generation = 1L, Name = StateNames.Final)
              side.Hear(Finish(Generation = 1L)) |> ignore
              side.Hear request |> ignore
              let failed = StateDelivered(Name = StateNames.Final, Failure = "nobody is there")
              Expect.equal (sent (side.Report failed)) [ failed ] "said"
              Expect.hasLength (ordered (side.Hear request)) 1 "once more"
              Expect.isNone (reason (side.Hear(Expelled(Reason = "x")))) "it comes anew"
          }
          test "the last weights are not delivered before the run's end has put them in place" {
              let side = member1 ()
              let request = DeliverState(Generation = 1L, Name = StateNames.Final)
              Expect.isEmpty (side.Hear request) "the command to finish was lost"
              side.Hear(Finish(Generation = 1L, RestoreBest = true)) |> ignore

              Expect.hasLength
                  (ordered (side.Hear(DeliverState(Generation = 1L, Name = StateNames.Final, Again = true))))
                  1
                  "behind it"
          }
          test "one that stands still delivers to a coordinator whose last generation it never heard of" {
              let side = member1 ()
              let request = DeliverState(Generation = 2L, Name = "step-000007")
              Expect.isEmpty (side.Hear request) "not while it works"
              side.Hear(Halt(Round = 1L)) |> ignore
              Expect.hasLength (ordered (side.Hear request)) 1 "what it stands at"
          } ]
