module CnnCluster.Tests.Trainer.Observation.ProcessStatusTests

open System
open System.Text.Json.Nodes
open Expecto
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Observation
open CnnCluster.Trainer.Protocol

/// A clock that is moved by hand.
type private Clock() =
    inherit TimeProvider()
    member val Now = TimeSpan.Zero with get, set
    override clock.GetTimestamp() = clock.Now.Ticks
    override _.TimestampFrequency = TimeSpan.TicksPerSecond

    member clock.Pass seconds =
        clock.Now <- clock.Now + TimeSpan.FromSeconds(seconds: float)

let private status () =
    let clock = Clock()
    clock, ProcessStatus(Patience(), clock)

let private worker slot isAtWork beat =
    WorkerStatus(Nullable slot, 3L, 1L, isAtWork, beat)

let private lead state isAtWork =
    LeadStatus(state, 3L, 0L, 2, 120L, 4, isAtWork)

let private problems (status: ProcessStatus) = List.ofSeq (status.Report().Problems)

[<Tests>]
let tests =
    testList
        "Trainer.Observation.ProcessStatus"
        [ test "a process that begins is alive and not ready" {
              let _, status = status ()
              let report = status.Report()
              Expect.equal (report.IsAlive, report.IsReady, report.State) (true, false, "Starting") "nobody yet"
              Expect.equal status.Subject LogSubject.Unknown "nor whom a line is about"
          }
          test "a worker is ready while its generation works" {
              let _, status = status ()

              let state () =
                  status.Report().State, status.Report().IsReady

              status.Note("worker-0", worker 4 false (Heartbeat()))
              Expect.equal (state ()) ("Joining", false) "taken in"
              status.Note("worker-0", worker 4 true (Heartbeat(Step = 7L)))
              Expect.equal (state ()) ("Working", true) "at work"

              Expect.equal
                  status.Subject
                  (LogSubject(Nullable 4, Nullable 3L, Nullable 1L, Nullable 7L))
                  "whom a line is about"

              status.Forget "worker-0"
              Expect.equal (state ()) ("Starting", false) "gone"
          }
          test "the coordinator's state goes before the workers'" {
              let _, status = status ()
              status.Note("worker-0", worker 0 false (Heartbeat()))
              status.Note(lead "Regrouping" false)
              Expect.equal (status.Report().State, status.Report().IsReady) ("Regrouping", false) "regroups"
              status.Note(lead "Training" true)
              Expect.isTrue (status.Report().IsReady) "trains"

              Expect.equal
                  status.Subject
                  (LogSubject(Nullable(), Nullable 3L, Nullable 0L, Nullable 120L))
                  "whom a line is about"

              status.ForgetLead()
              Expect.equal (status.Report().State) "Joining" "leads no more"
          }
          test "an actor that says nothing for five seconds does not move" {
              let clock, status = status ()
              status.Note(lead "Training" true)
              status.Note("worker-0", worker 0 true (Heartbeat()))
              clock.Pass 5.0
              Expect.isEmpty (problems status) "just not"
              clock.Pass 0.1

              Expect.equal
                  (problems status)
                  [ "the coordinator does not move"; "the actor of worker-0 does not move" ]
                  "both"

              status.Note(lead "Training" true)
              Expect.equal (problems status) [ "the actor of worker-0 does not move" ] "it moves again"
          }
          test "a thread that computes and does not come on is a problem when the coordinator would give it up" {
              let clock, status = status ()

              /// Says the same for so many seconds.
              let say seconds (beat: Heartbeat) =
                  for _ in 1..seconds do
                      status.Note("worker-0", worker 0 true (beat.Clone()))
                      clock.Pass 1.0

              let computing = Heartbeat(Activity = Activity.Computing, StepSeconds = 0.1)
              say 125 computing
              Expect.isEmpty (problems status) "two minutes and fifty of its steps"
              say 1 computing
              Expect.equal (problems status) [ "worker-0 makes no progress" ] "and no longer"
              Expect.isFalse (status.Report().IsAlive) "so it is not alive"
              say 1 (Heartbeat(Activity = Activity.Computing, StepSeconds = 0.1, Progress = 1L))
              Expect.isEmpty (problems status) "a batch of validation is progress"
              say 200 (Heartbeat(Activity = Activity.Reducing, StepSeconds = 0.1))
              Expect.isEmpty (problems status) "who waits for its peers is not the one that holds them up"
              say 200 (Heartbeat())
              Expect.isEmpty (problems status) "nor who has nothing to do"
          }
          test "the report has what an orchestrator asks for, and no more" {
              let clock, status = status ()
              status.Note(lead "Training" true)
              status.Note("worker-0", worker 0 true (Heartbeat(Step = 119L, Activity = Activity.Computing)))
              clock.Pass 1.5

              Expect.equal
                  ((JsonNode.Parse(status.Report().ToJson())).ToJsonString())
                  "{\"alive\":true,\"ready\":true,\"state\":\"Training\",\"generation\":3,\"term\":0,\"epoch\":2,\"step\":120,\"world\":4,\"workers\":[{\"worker\":0,\"generation\":3,\"step\":119,\"ready\":true,\"activity\":\"computing\",\"still_seconds\":1.5}],\"problems\":[]}"
                  "all of it"
          } ]
