/// Which workers may take part in a run, by what their programs are made of.
module CnnCluster.Tests.Trainer.Coordination.LikenessTests

open System.Collections.Generic
open Expecto
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Protocol

let private here =
    [ "cnn", "1.2.0"
      "torchsharp", "0.107.0"
      "dotnet", "10.0.1"
      "os", "Debian 12"
      "instruction_set", "X64 vector512" ]

let private settings isExact (versions: (string * string) list) =
    RunSettings(
        World = 1,
        Job = Job(Threads = 1),
        JoinToken = [||],
        Epochs = 1,
        Monitor = "val_loss",
        EarlyStopping = EarlyStoppingSettings(false, 2, 0.0, System.Nullable(), 0),
        RestoreBest = true,
        FigureNames = [||],
        RegularizedNames = [||],
        Parameters = 1L,
        StateReceiver = Endpoint(),
        StateToken = [||],
        Shards = (if isExact then System.Nullable 4 else System.Nullable()),
        Versions = Dictionary(dict versions)
    )

let private worker device (changes: (string * string) list) =
    let who = RegisterWorker(Device = device)

    for name, version in here do
        who.Versions[name] <- version

    for name, version in changes do
        who.Versions[name] <- version

    who

let private refusal isExact device changes =
    Likeness.WhyNot(worker device changes, settings isExact here)

[<Tests>]
let tests =
    testList
        "Trainer.Likeness"
        [ test "a worker of the same program takes part, exact or not" {
              Expect.isNull (refusal true "cpu" []) "exact"
              Expect.isNull (refusal false "cuda:0" []) "not exact"
              Expect.isNull (refusal true "cpu" [ "os", "Ubuntu 24.04" ]) "on another system"
          }
          test "another version of cnn is refused, exact or not" {
              for isExact in [ true; false ] do
                  Expect.stringContains
                      (refusal isExact "cpu" [ "cnn", "1.3.0" ])
                      "it has cnn 1.3.0, and the run 1.2.0"
                      "which"
          }
          for what in [ "torchsharp"; "dotnet"; "instruction_set" ] do
              test $"another {what} is refused in an exact run alone" {
                  Expect.stringContains (refusal true "cpu" [ what, "other" ]) $"it has {what} other" "which"
                  Expect.isNull (refusal false "cpu" [ what, "other" ]) "bits may differ"
              }
          test "an exact run computes on cpu alone" {
              Expect.stringContains (refusal true "cuda:0" []) "it computes on cuda:0" "where"
          }
          test "who does not say what it is made of is refused" {
              Expect.stringContains
                  (Likeness.WhyNot(RegisterWorker(Device = "cpu"), settings false here))
                  "it has cnn of no known version"
                  "an old program"
          }
          test "who computes with another number of threads is refused in an exact run alone" {
              let refusal isExact threads =
                  Likeness.WhyNot(WorkerPrepared(Threads = threads), settings isExact here)

              Expect.stringContains (refusal true 2) "it computes with 2 threads, and the run with 1" "its bits differ"
              Expect.isNull (refusal true 1) "as the run"
              Expect.isNull (refusal false 2) "bits may differ"
          }
          test "without versions nothing is compared" {
              Expect.isNull (Likeness.WhyNot(RegisterWorker(Device = "cuda:0"), settings true [])) "as in a simulation"
          } ]
