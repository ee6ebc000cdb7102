module CnnCluster.Tests.Trainer.Metrics.RunJsonTests

open System
open Expecto
open CnnCluster.Tests.Trainer.Metrics.RunEventSamples
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Metrics
open CnnCluster.Trainer.Protocol

let private time = DateTimeOffset(2031, 3, 9, 12, 5, 7, 89, TimeSpan.FromHours 2.0)

let private lines message =
    List.ofSeq (RunJson.Lines(message, time, "runs/lenet", TimeSpan.FromSeconds 12.3456))

let private at = "\"time\":\"2031-03-09T10:05:07.089Z\""

let private endLine =
    "{\"event\":\"end\","
    + at
    + ",\"run\":\"runs/lenet\",\"val_accuracy\":0.875,\"val_loss\":0.25,\"weights_sha256\":\"ab12\",\"seconds\":12.346}"

[<Tests>]
let tests =
    testList
        "Metrics.RunJson"
        [ test "the start lists the workers by rank" {
              Expect.equal
                  (lines started)
                  [ "{\"event\":\"start\","
                    + at
                    + ",\"world\":2,\"parameters\":61706,\"threads\":4,\"exchange\":\"tcp\",\"workers\":["
                    + "{\"rank\":0,\"pid\":4711,\"host\":\"alpha\",\"device\":\"cpu\",\"threads\":4},"
                    + "{\"rank\":1,\"pid\":4712,\"host\":\"beta\",\"device\":\"cuda:0\",\"share\":3}]}" ]
                  "one line"
          }
          for exchange, wire, said in
              [ Exchange.Alone, Wire.Unchanged, "\"exchange\":\"none\",\"workers\""
                Exchange.Threads, Wire.Bfloat16, "\"exchange\":\"threads\",\"workers\""
                Exchange.SharedMemory, Wire.Float16, "\"exchange\":\"shared-memory\",\"workers\""
                Exchange.Tcp, Wire.Unchanged, "\"exchange\":\"tcp\",\"workers\""
                Exchange.Tcp, Wire.Bfloat16, "\"exchange\":\"tcp\",\"wire\":\"bfloat16\",\"workers\""
                Exchange.Hierarchical, Wire.Float16, "\"exchange\":\"hierarchical\",\"wire\":\"float16\",\"workers\"" ] do
              test $"a run by {exchange} with {wire} says so, and what gradients become where they are rounded" {
                  let line = List.exactlyOne (lines (startedBy exchange wire))
                  Expect.stringContains line said "start"

                  let regrouped =
                      RunRegrouped(2L, [||], "", 1L, 0L, TimeSpan.Zero, Travel = Travel(exchange, wire))

                  Expect.stringContains (List.exactlyOne (lines regrouped)) said "regroup"
              }
          test "an epoch has all its figures, the losses first" {
              Expect.equal
                  (lines (epochEnded true (metrics 2 usualValues)))
                  [ "{\"event\":\"epoch\","
                    + at
                    + ",\"epoch\":2,\"step\":470,\"train_loss\":0.5,\"val_loss\":0.25,\"train_accuracy\":0.75,"
                    + "\"val_accuracy\":0.875,\"images_per_second\":1234.5,\"learning_rate\":0.001,\"best\":true}" ]
                  "one line"
          }
          test "an epoch names the loss of each regularized weight, and their sum" {
              let metrics =
                  regularizedMetrics 2 usualValues [ "conv1/kernel", 0.25; "dense1/bias", 0.5 ]

              Expect.stringContains
                  (List.exactlyOne (lines (epochEnded true metrics)))
                  ",\"regularization_loss\":0.75,\"regularization_losses\":{\"conv1/kernel\":0.25,\"dense1/bias\":0.5},\"images_per_second\""
                  "by name"
          }
          test "an epoch says where each worker's time went" {
              let ended = epochWithTimes (metrics 2 usualValues) [ 0, 1.0, 2.5; 2, 3.0, 0.5 ]

              Expect.stringEnds
                  (List.exactlyOne (lines ended))
                  (",\"best\":false,\"workers\":["
                   + "{\"worker\":0,\"pid\":4711,\"host\":\"alpha\",\"steps\":10,\"computing_seconds\":1,\"wait_seconds\":2,\"communication_seconds\":0.5},"
                   + "{\"worker\":2,\"pid\":4713,\"host\":\"alpha\",\"steps\":10,\"computing_seconds\":3,\"wait_seconds\":0,\"communication_seconds\":0.5}]}")
                  "sums by worker"
          }
          test "a straggler is named, with the others' time" {
              let found = StragglerRule.Find(times [ 0, 1.0, 2.5; 2, 3.0, 0.5 ]) |> Seq.exactlyOne

              let struct (slow, others) = found

              Expect.equal
                  (lines (StragglerFound(slow, 3, others)))
                  [ "{\"event\":\"straggler\","
                    + at
                    + ",\"epoch\":3,\"worker\":2,\"pid\":4713,\"host\":\"alpha\",\"step_seconds\":0.3,\"others_step_seconds\":0.1}" ]
                  "one line"
          }
          test "a state that could not be written is named, with what kept it from being so" {
              Expect.equal
                  (lines (StateNotKept("step-00000010", "no space left")))
                  [ "{\"event\":\"unwritten\","
                    + at
                    + ",\"state\":\"step-00000010\",\"reason\":\"no space left\"}" ]
                  "one line"
          }
          test "what is not finite is null" {
              let values = [ "train_loss", nan; "val_loss", infinity ]

              Expect.stringContains
                  (List.exactlyOne (lines (epochEnded false (metrics 1 values))))
                  "\"train_loss\":null,\"val_loss\":null,"
                  "null"
          }
          test "progress within an epoch gives no line" {
              Expect.isEmpty (lines (StepProgress(1, 7L, 100.0, 0.5))) "none"
          }
          for reason, name in
              [ StopReason.EarlyStop, "early-stop"; StopReason.Epochs, "epochs"; StopReason.Steps, "steps" ] do
              test $"a run that ends by {name} has a stop and an end" {
                  Expect.equal
                      (lines (RunEnded(outcome reason "")))
                      [ "{\"event\":\"stop\"," + at + $",\"reason\":\"{name}\",\"best_epoch\":2}}"; endLine ]
                      "two lines"
              }
          for reason, name in [ StopReason.Interrupted, "interrupted"; StopReason.Failed, "failed" ] do
              test $"a run that is {name} has a stop with its message, and no end" {
                  let message =
                      "\"reason\":\"" + name + "\",\"best_epoch\":2,\"message\":\"worker 1 is gone\"}"

                  Expect.equal
                      (lines (RunEnded(outcome reason "worker 1 is gone")))
                      [ "{\"event\":\"stop\"," + at + "," + message ]
                      "one line"
              }
          test "without a validated epoch there is no best epoch and no figure" {
              let ended =
                  RunOutcome(StopReason.Steps, "", 3L, EarlyStoppingState(), null, "ab12", null)

              match lines (RunEnded ended) with
              | [ stop; last ] ->
                  Expect.stringEnds stop "\"best_epoch\":null}" "no best"
                  Expect.stringContains last "\"val_accuracy\":null,\"val_loss\":null," "no figures"
              | other -> failtest $"two lines, not %A{other}"
          }
          test "a run without accuracy has none at its end" {
              let final = metrics 1 [ "val_loss", 0.5 ]

              let ended =
                  RunOutcome(StopReason.Epochs, "", 3L, EarlyStoppingState(), final, "ab12", null)

              let last = List.last (lines (RunEnded ended))
              Expect.stringContains last "\"val_accuracy\":null,\"val_loss\":0.5," "null"
          } ]
