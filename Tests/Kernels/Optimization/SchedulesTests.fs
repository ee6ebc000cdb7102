module CnnCluster.Tests.Kernels.Optimization.SchedulesTests

open System
open Expecto
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization

let private initial, stepsPerEpoch, total = 0.4, 7L, 40L

type private Entry =
    {
        Settings: (string * float) list list
        /// From the settings and the step to the rate.
        Formula: (string -> float) -> float -> float
    }

let private epochOf step = floor (step / float stepsPerEpoch)

/// A schedule that is added to the catalogue brings its formula here.
let private byName =
    Map
        [ "constant",
          { Settings = [ [] ]
            Formula = fun _ _ -> initial }
          "inverse-time",
          { Settings = [ [ "decay", 0.5; "steps", 1.0 ]; [ "decay", 0.5; "steps", 10.0 ] ]
            Formula = fun s t -> initial / (1.0 + s "decay" * t / s "steps") }
          "exponential",
          { Settings = [ [ "rate", 0.9; "steps", 5.0 ] ]
            Formula = fun s t -> initial * exp (log (s "rate") * t / s "steps") }
          "step",
          { Settings = [ [ "epochs", 1.0; "factor", 0.1 ]; [ "epochs", 2.0; "factor", 0.5 ] ]
            Formula = fun s t -> initial * s "factor" ** floor (epochOf t / s "epochs") }
          "polynomial",
          { Settings = [ [ "end", 0.01; "power", 1.0 ]; [ "end", 0.0; "power", 2.0 ] ]
            Formula =
              fun s t ->
                  let left = 1.0 - min t (float total) / float total
                  (initial - s "end") * left ** s "power" + s "end" }
          "cosine",
          { Settings = [ [ "alpha", 0.0; "warmup", 0.0 ]; [ "alpha", 0.1; "warmup", 6.0 ] ]
            Formula =
              fun s t ->
                  let warmup = s "warmup"

                  if t < warmup then
                      initial * (t + 1.0) / warmup
                  else
                      let share = min 1.0 ((t - warmup) / (float total - warmup))
                      initial * (s "alpha" + (1.0 - s "alpha") * cos (Math.PI * share / 2.0) ** 2.0) } ]

let private create name settings =
    let definition =
        Schedules.All |> Seq.find (fun definition -> definition.Name = name)

    let schedule =
        definition.Create.Invoke(SettingValues(Collections.Generic.Dictionary(dict settings)))

    fun step -> schedule.Invoke(initial, SchedulePoint(step, stepsPerEpoch, total))

let private close = { absolute = 1e-14; relative = 1e-12 }

[<Tests>]
let tests =
    testList
        "Kernels.Schedules"
        [ for definition in Schedules.All do
              match Map.tryFind definition.Name byName with
              | Some entry ->
                  for settings in entry.Settings do
                      test $"{definition.Name} %A{settings} follows its formula, and stays where it ends" {
                          let rateAt = create definition.Name settings

                          let setting name =
                              List.find (fst >> (=) name) settings |> snd

                          for step in 0L .. total + 5L do
                              Expect.floatClose close (rateAt step) (entry.Formula setting (float step)) $"step {step}"
                      }
              | None ->
                  test $"{definition.Name} has a formula to be checked against" {
                      failtest $"add {definition.Name} to this file's table"
                  }
          test "the settings of the table are those of the catalogue" {
              for definition in Schedules.All do
                  for settings in byName[definition.Name].Settings do
                      Expect.equal
                          (List.map fst settings)
                          [ for setting in definition.Settings -> setting.Name ]
                          definition.Name
          }
          test "a warm-up as long as the run does not divide by zero" {
              let rateAt = create "cosine" [ "alpha", 0.0; "warmup", float total ]
              Expect.floatClose close (rateAt (total - 1L)) initial "the warm-up's end"
              Expect.isTrue (Double.IsFinite(rateAt total)) "after it"
          } ]
