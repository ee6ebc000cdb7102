module CnnCluster.Tests.Trainer.Coordination.StragglerRuleTests

open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Metrics.RunEventSamples
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol

/// Who is found among workers of these times, and the others' median.
let private found told =
    [ for struct (slow, others) in StragglerRule.Find(times told) -> slow.Worker.Slot, others ]

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.StragglerRule"
        [ test "who takes more than 1.25 times the others' median is found" {
              Expect.equal (found [ 0, 10.0, 0.0; 1, 12.6, 0.0; 2, 10.0, 0.0 ]) [ 1, 1.0 ] "just above"
              Expect.equal (found [ 0, 10.0, 0.0; 1, 12.5, 0.0; 2, 10.0, 0.0 ]) [] "just not"
          }
          test "the median is of the others, so that two slow ones among four are both found" {
              Expect.equal (found [ 0, 10.0, 0.0; 1, 30.0, 0.0 ]) [ 1, 1.0 ] "one of two"

              Expect.equal
                  (List.map fst (found [ 0, 10.0, 0.0; 1, 30.0, 0.0; 2, 10.0, 0.0; 3, 30.0, 0.0 ]))
                  [ 1; 3 ]
                  "two of four"
          }
          test "one worker alone holds nobody up" { Expect.equal (found [ 0, 10.0, 0.0 ]) [] "nobody" }
          test "time in collectives is no work of one's own" {
              Expect.equal (found [ 0, 10.0, 90.0; 1, 10.0, 1.0 ]) [] "who waits is not slow"
          }
          test "one that has timed no step is not judged, nor are others by it" {
              let entry slot = RosterEntry(slot, "h", 1, "cpu", 1)

              let told =
                  [ struct (entry 0, StepTimes(Steps = 1L, ComputingSeconds = 5.0))
                    struct (entry 1, StepTimes())
                    struct (entry 2, null) ]

              Expect.equal [ for worker in WorkerTimes.Of told -> worker.Worker.Slot ] [ 0 ] "the one that has"
          }
          testProperty "waiting and exchanging make up the time in collectives, and nobody waits less than not at all"
          <| Prop.forAll (Arb.fromGen (Gen.nonEmptyListOf (Gen.choose (0, 1000)))) (fun reducing ->
              let told =
                  times [ for slot, seconds in List.indexed reducing -> slot, 1.0, float seconds ]

              for worker, seconds in Seq.zip told reducing do
                  Expect.floatClose Accuracy.high (worker.Waiting + worker.Communicating) (float seconds) "the sum"
                  Expect.isGreaterThanOrEqual worker.Waiting 0.0 "waiting"

              Expect.exists told (fun worker -> worker.Waiting = 0.0) "who comes last waits for nobody") ]
